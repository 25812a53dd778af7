CREATE TABLE project_properties (
    project_id INT NOT NULL,
    version INT NOT NULL,
    name VARCHAR(255) NOT NULL,
    modified_time BIGINT NOT NULL,
    encoding_type TINYINT,
    property LONGBLOB,
    PRIMARY KEY (project_id, version, name)
);
