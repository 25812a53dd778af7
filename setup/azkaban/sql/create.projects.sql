CREATE TABLE projects (
    id INT NOT NULL AUTO_INCREMENT,
    name VARCHAR(64) NOT NULL,
    active BOOLEAN,
    modified_time BIGINT NOT NULL,
    create_time BIGINT NOT NULL,
    version INT,
    last_modified_by VARCHAR(64) NOT NULL,
    description VARCHAR(255),
    enc_type TINYINT,
    settings_blob LONGBLOB,
    PRIMARY KEY (id)
);
CREATE INDEX projects_name ON projects (name);
