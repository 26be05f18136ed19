-- The key store in MySQL and MariaDB, as SqlKeyStore(engine).create_table() makes it, and who may do what.
-- Replace app_writer, app_reader and app_keys by users or roles of yours.

CREATE TABLE fieldcrypt_data_keys (
    key_id VARCHAR(32) NOT NULL,
    tenant VARCHAR(255),
    state VARCHAR(16) NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (key_id)
);

CREATE INDEX ix_fieldcrypt_data_keys_tenant ON fieldcrypt_data_keys (tenant);

CREATE TABLE fieldcrypt_data_keys_claims (
    first_key_of VARCHAR(32) NOT NULL,
    claim BLOB NOT NULL,
    PRIMARY KEY (first_key_of)
);

-- Encrypts: makes data keys, and puts a record back that the database has lost.
GRANT SELECT, INSERT ON fieldcrypt_data_keys TO app_writer;
GRANT SELECT, INSERT, UPDATE ON fieldcrypt_data_keys_claims TO app_writer;

-- Only decrypts.
GRANT SELECT ON fieldcrypt_data_keys TO app_reader;
GRANT SELECT ON fieldcrypt_data_keys_claims TO app_reader;

-- Rewraps, repairs, retires and shreds: `fieldcrypt keys`.
GRANT SELECT, INSERT, UPDATE ON fieldcrypt_data_keys TO app_keys;
GRANT SELECT, INSERT, UPDATE ON fieldcrypt_data_keys_claims TO app_keys;
