CREATE TABLE execution_flows (
    exec_id INT NOT NULL AUTO_INCREMENT,
    project_id INT NOT NULL,
    version INT NOT NULL,
    flow_id VARCHAR(128) NOT NULL,
    status TINYINT,
    submit_user VARCHAR(64),
    submit_time BIGINT,
    update_time BIGINT,
    start_time BIGINT,
    end_time BIGINT,
    enc_type TINYINT,
    flow_data LONGBLOB,
    PRIMARY KEY (exec_id)
);
CREATE INDEX execution_flows_start ON execution_flows (start_time);
CREATE INDEX execution_flows_end ON execution_flows (end_time);
CREATE INDEX execution_flows_start_end ON execution_flows (start_time, end_time);
CREATE INDEX execution_flows_project_flow ON execution_flows (project_id, flow_id);
