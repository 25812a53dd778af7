CREATE TABLE execution_logs (
    exec_id INT NOT NULL,
    name VARCHAR(128) NOT NULL,
    attempt INT NOT NULL,
    enc_type TINYINT,
    start_byte INT NOT NULL,
    end_byte INT,
    log LONGBLOB,
    upload_time BIGINT,
    PRIMARY KEY (exec_id, name, attempt, start_byte)
);
CREATE INDEX execution_logs_exec_name ON execution_logs (exec_id, name);
CREATE INDEX execution_logs_exec_name_attempt ON execution_logs (exec_id, name, attempt);
