CREATE TABLE project_flows (
    project_id INT NOT NULL,
    version INT NOT NULL,
    flow_id VARCHAR(128) NOT NULL,
    modified_time BIGINT NOT NULL,
    encoding_type TINYINT,
    json LONGBLOB,
    PRIMARY KEY (project_id, version, flow_id)
);
