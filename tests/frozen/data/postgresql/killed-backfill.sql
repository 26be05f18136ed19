COMMENT ON SCHEMA public IS '';
CREATE TABLE public.customers (
    id integer NOT NULL,
    ssn character varying(50),
    ssn_encrypted bytea,
    ssn_tag bytea
);
CREATE TABLE public.fieldcrypt_data_keys (
    key_id character varying(32) NOT NULL,
    tenant character varying(255),
    state character varying(16) NOT NULL,
    record bytea NOT NULL
);
CREATE TABLE public.fieldcrypt_migration_ranges (
    name character varying(150) NOT NULL,
    step character varying(20) NOT NULL,
    part character varying(150) NOT NULL,
    number integer NOT NULL,
    "position" bytea,
    ends_at bytea,
    worker character varying(200),
    leased_until double precision NOT NULL,
    finished boolean NOT NULL,
    done bigint NOT NULL,
    changed bigint NOT NULL,
    failed bigint NOT NULL
);
CREATE TABLE public.fieldcrypt_migrations (
    name character varying(150) NOT NULL,
    step character varying(20) NOT NULL,
    part character varying(150) NOT NULL,
    about text NOT NULL,
    frontier bytea,
    exhausted boolean NOT NULL,
    paused boolean NOT NULL,
    total bigint NOT NULL,
    done bigint NOT NULL,
    changed bigint NOT NULL,
    failed bigint NOT NULL,
    began double precision NOT NULL,
    touched double precision NOT NULL,
    ended double precision
);
CREATE TABLE public.letters (
    id character varying(20) NOT NULL,
    clinic character varying(20) NOT NULL,
    body bytea NOT NULL
);
INSERT INTO public.customers VALUES (11, '078-05-1011', NULL, NULL);
INSERT INTO public.customers VALUES (12, '078-05-1012', NULL, NULL);
INSERT INTO public.customers VALUES (13, '078-05-1013', NULL, NULL);
INSERT INTO public.customers VALUES (14, '078-05-1014', NULL, NULL);
INSERT INTO public.customers VALUES (15, '078-05-1015', NULL, NULL);
INSERT INTO public.customers VALUES (16, '078-05-1016', NULL, NULL);
INSERT INTO public.customers VALUES (17, '078-05-1017', NULL, NULL);
INSERT INTO public.customers VALUES (18, '078-05-1018', NULL, NULL);
INSERT INTO public.customers VALUES (19, '078-05-1019', NULL, NULL);
INSERT INTO public.customers VALUES (20, '078-05-1020', NULL, NULL);
INSERT INTO public.customers VALUES (21, '078-05-1021', NULL, NULL);
INSERT INTO public.customers VALUES (22, '078-05-1022', NULL, NULL);
INSERT INTO public.customers VALUES (23, '078-05-1023', NULL, NULL);
INSERT INTO public.customers VALUES (0, '078-05-1000', '\x0165c4e1a91bb81d2ae8dda15954022a0d4d8e79b226db584ac01d36584b7cdc3d36a6570d689310fbe0b46672b9926c611ca57c80d65198dbfee23949e770450cbbd3ee7d', '\xbc97f00c7b5c4c163d9687306df5bbf5');
INSERT INTO public.customers VALUES (1, '078-05-1001', '\x0165c4e1a91bb81d2ae8dda15954022a0d4d8e79b226db584ac01d3658b677f398b05698b401d6135e247603c18b406b0e5b713dd58eb1f574940d7c75959878faa45f7e88', '\xf3339232bd4ea6692cddaf88226b96ff');
INSERT INTO public.customers VALUES (2, '078-05-1002', '\x0165c4e1a91bb81d2ae8dda15954022a0d4d8e79b226db584ac01d3658eb20bc166f15b83dfcea6a11780fbc9c2a2e48240c27153b2b792a803bc0db24d43a0a2b40ffb960', '\x645391473eb9618afff3b4486e7b30ad');
INSERT INTO public.customers VALUES (3, '078-05-1003', '\x0165c4e1a91bb81d2ae8dda15954022a0d4d8e79b226db584ac01d3658629bdf463b8eab39cbb3611eaf823779c5dcec785ad0e0b2a442841af925f6e734e2cd4755035b16', '\xd6fa6500d8f0fafe6bb4aceeb53de5f1');
INSERT INTO public.customers VALUES (4, '078-05-1004', '\x0165c4e1a91bb81d2ae8dda15954022a0d4d8e79b226db584ac01d3658562a51cabe887309b7387033dec6cfcce6925d9bcf9de48c9b1689d16440aabbdbcdd754d4c6249b', '\x33d9d8da3ec80dee1e693279a7ad65a0');
INSERT INTO public.customers VALUES (5, '078-05-1005', '\x0165c4e1a91bb81d2ae8dda15954022a0d4d8e79b226db584ac01d3658b11f9ffa5b4ed2cbf080fd78769f026798e5e24ef441e62ab1d615633f826b7f1a0a3b9a6a39432f', '\x5d1caa4c4379710822a9b0d2eee839c9');
INSERT INTO public.customers VALUES (6, '078-05-1006', '\x0165c4e1a91bb81d2ae8dda15954022a0d4d8e79b226db584ac01d365874d7428c5cd92a3902465beb3898af1e86108c493b7bf41609c968b6900caa4f9ae6a767ef2f7249', '\xb4355b14a9dbe1ff72b8042a7f2c5d81');
INSERT INTO public.customers VALUES (7, '078-05-1007', '\x0165c4e1a91bb81d2ae8dda15954022a0d4d8e79b226db584ac01d36583163d0f72d7f86651789f5b56103fb9a0560d6411233c1ee53f434b1eea383eee07847953b66e57b', '\xe4310a2e35007b8f106ec5804da028e0');
INSERT INTO public.customers VALUES (8, '078-05-1008', '\x0165c4e1a91bb81d2ae8dda15954022a0d4d8e79b226db584ac01d3658bd6479350123fc7cd383099763b415bef62f2717de7f15f191f14ed90421f54324b3d4c0e4d3f39c', '\x6387e80fd4864a030f796c077fe5bbd3');
INSERT INTO public.customers VALUES (9, '078-05-1009', '\x0165c4e1a91bb81d2ae8dda15954022a0d4d8e79b226db584ac01d3658ef8082cb19d629da52762d3d924a28ff40bcaa11feb972d7110a28482901923bba0cb70e453edec3', '\x45ee12eb401d7541d9a0c25bb2fd21ab');
INSERT INTO public.customers VALUES (10, '078-05-1010', '\x0165c4e1a91bb81d2ae8dda15954022a0d4d8e79b226db584ac01d365841dd4d78b5082528e8c344393655b0653f9bf7c3ea34da8f393da8b0830ec75feb1b75461928d50a', '\x45a77e45a5df6d64eea684dae3b65534');
INSERT INTO public.fieldcrypt_data_keys VALUES ('f251bec29dd9d4401c3a2f53a26c3b1c', 'clinic 0', 'active', '\x0101000000006ae6810008636c696e696320300100166c6f63616c3a383439386434363762393061366264340048e9b222e19be5de709a8dc4c2583714a8d829f7ad9170269346f967fa7416172b2b454e3483e4f2456bdf0c25338ab8ddf34ade23a4ec6862e7089300842335a653d7a8a46972a810956883f0008960fc29367c072752279129ffcdde596192f6a2e710fa92d3dc71');
INSERT INTO public.fieldcrypt_data_keys VALUES ('cab37656caf57ecf3f425a523e7354a7', 'clinic 1', 'active', '\x0101000000006ae6810008636c696e696320310100166c6f63616c3a383439386434363762393061366264340048ff754500fa630e34d8233b89db36c3332c1f64e1be49051e767ec6308339575897c27b35e67a5d394bbd8c9746580added6292eee783a8dfe57676f468784be73613dc15ba5ef8391957e5a4f05e758382a399adaee2fbde08761901aaa733bc9f1d772a0d172597');
INSERT INTO public.fieldcrypt_data_keys VALUES ('65c4e1a91bb81d2ae8dda15954022a0d', NULL, 'active', '\x0101000000006ae68100000100166c6f63616c3a3834393864343637623930613662643400484616ebd9929936e79bb1bf051ff6eec47b79b47c5ccdb18dc5aeb054cc19a1e4f62c151d50496b044db4b0153236fcca9f849fc5542e49796d0fa14c965e0f36d016665a143eee1fd1d4ac39c037abbb338a8ec3cc113dfbb5a4f8334d315c8e6453a9d12daff793');
INSERT INTO public.fieldcrypt_data_keys VALUES ('11d5994af6890ee521982f5973f5c22b', NULL, 'active', '\x0102000000006ae68100000100166c6f63616c3a3834393864343637623930613662643400486969b10ec202338ee59f427f191c42cc6ed55a122305b0024756be4960f8e73457eea616db50f7940dd08525fe4a56b13207277c53c195e0c659ac0a65ed41b912d34d0f408fe5d86529aa4c88c0d9ad2dc8f02ba8804696c883b2d8c7f8d78d1c93b8cf6b5fbbf3');
INSERT INTO public.fieldcrypt_migration_ranges VALUES ('customers', 'backfill', 'customers', 1, '\x810a', '\x8113', 'writer.example.org 10297 0', 1793491215.5514429, false, 1, 1, 0);
INSERT INTO public.fieldcrypt_migration_ranges VALUES ('letters', 'backfill', 'letters', 1, '\x81696c6574746572203130', '\x81696c6574746572203139', NULL, 1793491215.5034425, false, 1, 1, 0);
INSERT INTO public.fieldcrypt_migrations VALUES ('letters', 'backfill', 'letters', 'body (letters.body) by id String', '\x81696c6574746572203139', false, false, 24, 10, 10, 0, 1793491200.445268, 1793491200.497218, NULL);
INSERT INTO public.fieldcrypt_migrations VALUES ('customers', 'backfill', 'customers', 'ssn -> ssn_encrypted (customers.ssn) by id Integer', '\x8113', false, false, 24, 10, 10, 0, 1793491200.5089872, 1793491200.5465305, NULL);
INSERT INTO public.letters VALUES ('letter 11', 'clinic 1', '\x3037382d30352d31303131');
INSERT INTO public.letters VALUES ('letter 12', 'clinic 0', '\x3037382d30352d31303132');
INSERT INTO public.letters VALUES ('letter 13', 'clinic 1', '\x3037382d30352d31303133');
INSERT INTO public.letters VALUES ('letter 14', 'clinic 0', '\x3037382d30352d31303134');
INSERT INTO public.letters VALUES ('letter 15', 'clinic 1', '\x3037382d30352d31303135');
INSERT INTO public.letters VALUES ('letter 16', 'clinic 0', '\x3037382d30352d31303136');
INSERT INTO public.letters VALUES ('letter 17', 'clinic 1', '\x3037382d30352d31303137');
INSERT INTO public.letters VALUES ('letter 18', 'clinic 0', '\x3037382d30352d31303138');
INSERT INTO public.letters VALUES ('letter 19', 'clinic 1', '\x3037382d30352d31303139');
INSERT INTO public.letters VALUES ('letter 20', 'clinic 0', '\x3037382d30352d31303230');
INSERT INTO public.letters VALUES ('letter 21', 'clinic 1', '\x3037382d30352d31303231');
INSERT INTO public.letters VALUES ('letter 22', 'clinic 0', '\x3037382d30352d31303232');
INSERT INTO public.letters VALUES ('letter 23', 'clinic 1', '\x3037382d30352d31303233');
INSERT INTO public.letters VALUES ('letter 00', 'clinic 0', '\x01f251bec29dd9d4401c3a2f53a26c3b1c88ea54e6a745e4c2e7b8315e17b9966bc8d7f1d0c3cf4441cb1c73f92f9196c9b77b60445e59d2b4d365e5fbcf01d8b6857c5f46');
INSERT INTO public.letters VALUES ('letter 01', 'clinic 1', '\x01cab37656caf57ecf3f425a523e7354a790c715af64e53eaed24cca9e01cfd32a8ab08c568e8d21eec39235625c50380ed1f76cb80b26b82eb7f52d67ac0c061f2cc360cc');
INSERT INTO public.letters VALUES ('letter 02', 'clinic 0', '\x01f251bec29dd9d4401c3a2f53a26c3b1c88ea54e6a745e4c2e7b8315e41b52c2a0e40dfc1dd9f5b981e4f3c07ddf2d169274368a1a3a4ead936b46a540533dbeab1bc12a7');
INSERT INTO public.letters VALUES ('letter 03', 'clinic 1', '\x01cab37656caf57ecf3f425a523e7354a790c715af64e53eaed24cca9e36a620f3b0b61f1ce4543efad4d9494e8f563f6e2c2d1fe0692649b1c7bda90fa8e7271fde11b876');
INSERT INTO public.letters VALUES ('letter 04', 'clinic 0', '\x01f251bec29dd9d4401c3a2f53a26c3b1c88ea54e6a745e4c2e7b8315e143eba8324196895388cce120c99b8d87bed1d543a2169386596dd122cccf1af570a596663e9077b');
INSERT INTO public.letters VALUES ('letter 05', 'clinic 1', '\x01cab37656caf57ecf3f425a523e7354a790c715af64e53eaed24cca9e7921903e8aebd6011c3bf28cb7a5c449e9fd0813c8ef9bf735c9c36babdc10d61ccf785adcbf1c4e');
INSERT INTO public.letters VALUES ('letter 06', 'clinic 0', '\x01f251bec29dd9d4401c3a2f53a26c3b1c88ea54e6a745e4c2e7b8315e4955a4b9606c58d77fbf759d051dbb243fdcefd573b81b28405a23572fa4e2cc57808ea7a5e7c012');
INSERT INTO public.letters VALUES ('letter 07', 'clinic 1', '\x01cab37656caf57ecf3f425a523e7354a790c715af64e53eaed24cca9e9d5792f82fdfdf6a5c3e926753be98fefde7cb0b7c3e0b1d57fc70a1f7c96940a907d37882b3e032');
INSERT INTO public.letters VALUES ('letter 08', 'clinic 0', '\x01f251bec29dd9d4401c3a2f53a26c3b1c88ea54e6a745e4c2e7b8315e99d991d4b162a7d4721e8973270753a22ef0ea16ac0f09299db2a772c6bda4f3ed58a4f21772a1b7');
INSERT INTO public.letters VALUES ('letter 09', 'clinic 1', '\x01cab37656caf57ecf3f425a523e7354a790c715af64e53eaed24cca9ea9e391f85e2ab8210139f89c3f10a782d79d4fea3eb84805f6f5b9813dd1e1aec1e85945c6bd8772');
INSERT INTO public.letters VALUES ('letter 10', 'clinic 0', '\x01f251bec29dd9d4401c3a2f53a26c3b1c88ea54e6a745e4c2e7b8315e49626dd2ddaaa539dfe32643e3e0411ece8dc7990610096ca735062d70c2ee8f33dc78b8646633dc');
ALTER TABLE ONLY public.customers
    ADD CONSTRAINT customers_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.fieldcrypt_data_keys
    ADD CONSTRAINT fieldcrypt_data_keys_pkey PRIMARY KEY (key_id);
ALTER TABLE ONLY public.fieldcrypt_migration_ranges
    ADD CONSTRAINT fieldcrypt_migration_ranges_pkey PRIMARY KEY (name, step, part, number);
ALTER TABLE ONLY public.fieldcrypt_migrations
    ADD CONSTRAINT fieldcrypt_migrations_pkey PRIMARY KEY (name, step, part);
ALTER TABLE ONLY public.letters
    ADD CONSTRAINT letters_pkey PRIMARY KEY (id);
CREATE INDEX ix_customers_ssn_tag ON public.customers USING btree (ssn_tag);
CREATE INDEX ix_fieldcrypt_data_keys_tenant ON public.fieldcrypt_data_keys USING btree (tenant);
REVOKE USAGE ON SCHEMA public FROM PUBLIC;
