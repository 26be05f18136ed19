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
INSERT INTO public.customers VALUES (11, '078-05-1011', '\x012f260f9ad5b9ba0e703ae49e090db63eb5061be5845aefccbafadb2868376b0edf6cb2a695c8d120f996bb63d53eb6d9aa3a674111c7096283e3d1f0fd53d0f6eb643444', '\x9d8c9c39b318748641058c408676bc97');
INSERT INTO public.customers VALUES (12, '078-05-1012', '\x012f260f9ad5b9ba0e703ae49e090db63eb5061be5845aefccbafadb284928998c38a854eb24d8fb0bc0f7549888c4913db195d1dab24c1e8f360fc9bd55aea8c3d396cb31', '\x2a5f6db1a7210b97109504c087763abb');
INSERT INTO public.customers VALUES (13, '078-05-1013', '\x012f260f9ad5b9ba0e703ae49e090db63eb5061be5845aefccbafadb287d479e946f0cc6e021ee048ff9e4201fb73cbb29f74984e8dbfda8e5a7b15faa9975f031b6eab286', '\x11a25f3f5aa54307ea45efbffca8cbc5');
INSERT INTO public.customers VALUES (14, '078-05-1014', '\x012f260f9ad5b9ba0e703ae49e090db63eb5061be5845aefccbafadb2895d6b4187821f0c0859637bdab0c3e89cacb7667feb52f2b8b15a8365d065a68f699c58e3737ec39', '\x5b468796ee456ab3f8e1fb4e53fe8852');
INSERT INTO public.customers VALUES (15, '078-05-1015', '\x012f260f9ad5b9ba0e703ae49e090db63eb5061be5845aefccbafadb2867066a4186c075b64ed23ffa8402187c420c712919feb3c52a63c2f770c9f1cad415fe2c7c484d7a', '\x4346a5671858b1c551ea94d4eaf69e5d');
INSERT INTO public.customers VALUES (16, '078-05-1016', '\x012f260f9ad5b9ba0e703ae49e090db63eb5061be5845aefccbafadb2879bfbc003daa63b994ef020b8e78d311e7363de95707b1f084b4e44e0fe1f5ecbbd7dcda6dc62298', '\x7bf87d9669ca1ca6ff74a556f1028721');
INSERT INTO public.customers VALUES (17, '078-05-1017', '\x012f260f9ad5b9ba0e703ae49e090db63eb5061be5845aefccbafadb28de8f4d96701ffb2bd65bf2e775c17cb8130b8f28d1d7f9b482718010b3daee1720288fe8c4692e0c', '\x9b83f66a98fbf92ed79d66e6e1368bfe');
INSERT INTO public.customers VALUES (18, '078-05-1018', '\x012f260f9ad5b9ba0e703ae49e090db63eb5061be5845aefccbafadb28d0275daa92c68dfee7882a69216807df0913b0ee13ddba55fbdee56269a8428af9d18b1d8dedcfce', '\x667b21723bd47a262f423d8175b75f82');
INSERT INTO public.customers VALUES (19, '078-05-1019', '\x012f260f9ad5b9ba0e703ae49e090db63eb5061be5845aefccbafadb288268145d8f9b17854e4b995642cf46610af17499ae5690779808e091b0c7b658f4883e29e3a62717', '\x083715847c09675da565a35eff10efd0');
INSERT INTO public.customers VALUES (20, '078-05-1020', '\x012f260f9ad5b9ba0e703ae49e090db63eb5061be5845aefccbafadb28ba7f04e44f60eb613c76aedb8614aa1440c1d6ea3f5c3b110a86c0b2a7d2f02249ae25a516e81d71', '\xc752fdadf7ba6caecfe1a7eb6eb3a778');
INSERT INTO public.customers VALUES (21, '078-05-1021', '\x012f260f9ad5b9ba0e703ae49e090db63eb5061be5845aefccbafadb28d41a086a5fb513b81ee9933b290d183551aac771967fcfe05908c92cd76a827f7c6b1174e0bb6a02', '\x7400347371a8ab5607165fbb891f354d');
INSERT INTO public.customers VALUES (22, '078-05-1022', '\x012f260f9ad5b9ba0e703ae49e090db63eb5061be5845aefccbafadb28e212d1f7ea216a93118c409e33bcc8def5fb48b8128c8e9e3e79f792bd5c4912eff71dfe51346105', '\x6348627bde28776f200d31967d57a3c6');
INSERT INTO public.customers VALUES (23, '078-05-1023', '\x012f260f9ad5b9ba0e703ae49e090db63eb5061be5845aefccbafadb28b2079d6f6379e593bc4b6ef0bdbc932453d1165f19a11a066d4a66d55592b61cdac6f8819b8f514e', '\x19eca24fd5c9b53bcd4d8ec9b8bcf055');
INSERT INTO public.customers VALUES (0, '078-05-1000', NULL, NULL);
INSERT INTO public.customers VALUES (1, '078-05-1001', NULL, NULL);
INSERT INTO public.customers VALUES (2, '078-05-1002', NULL, NULL);
INSERT INTO public.customers VALUES (3, '078-05-1003', NULL, NULL);
INSERT INTO public.customers VALUES (4, '078-05-1004', NULL, NULL);
INSERT INTO public.customers VALUES (5, '078-05-1005', NULL, NULL);
INSERT INTO public.customers VALUES (6, '078-05-1006', NULL, NULL);
INSERT INTO public.customers VALUES (7, '078-05-1007', NULL, NULL);
INSERT INTO public.customers VALUES (8, '078-05-1008', NULL, NULL);
INSERT INTO public.customers VALUES (9, '078-05-1009', NULL, NULL);
INSERT INTO public.customers VALUES (10, '078-05-1010', NULL, NULL);
INSERT INTO public.fieldcrypt_data_keys VALUES ('2f260f9ad5b9ba0e703ae49e090db63e', NULL, 'active', '\x0101000000006aefb4d0000100166c6f63616c3a383439386434363762393061366264340048b2514b4c8377fd588d037dfe5cc78217d40d6cb2c1af90537b7eeb3e9e59adecca41b3cdc51670d780abb8558f6b2aab4a5872096d97960188ebcaa42032e24388629c02dc3742c331de1e0d5176fd2ddb86ba4e88e2b324cc7dc0a8bc3b8094f29a0c7bad6d3425');
INSERT INTO public.fieldcrypt_data_keys VALUES ('57579aad5ef3b22fc9d1244c8b131345', NULL, 'active', '\x0102000000006aefb4d0000100166c6f63616c3a383439386434363762393061366264340048b9139a934d2a6e5b4a31bf99e95c5a76f0a340dcec1b9ea9e77749cd1fca6f8e225afc8df2bd14f8c36b829283bbbafa844c78d63a7d94802fd6b555ec29ed680e5552f082944a8fe4edf263110bb0e7bd98f56cd0f03c9bbe2ffd7c3c7bd0c5a78f7f96a63b4788');
INSERT INTO public.fieldcrypt_data_keys VALUES ('b9012b6fd1b1f6bded9d460b8656e73b', 'clinic 0', 'active', '\x0101000000006aefb4da08636c696e696320300100166c6f63616c3a3834393864343637623930613662643400485d204d3b5f456e4b5d0a2d4aa01347f8fcf3b1ace230c812422039701cff05e70d9fdea17fb265a03e7d51af1cded2bf6d2be5dc93d12bbadb149776dfa1256a34db1611e518091a45b83cb451dab72db1ac321dff2cc050475043fab3d763531efc9103d2b718e7');
INSERT INTO public.fieldcrypt_data_keys VALUES ('823c1da107d6f5f2f9782f1f448e7d43', 'clinic 1', 'active', '\x0101000000006aefb4da08636c696e696320310100166c6f63616c3a383439386434363762393061366264340048cf44a491341cba1a6f7bd83bbbeb3851bf9c66018d95436ce5ac85cc589d3dfb5d404125450170aaf1ef040f27117030a1a117d7725126449f3526cb36a8c3be959412c795fec05a618f96dcb31f9511b92d6604656d1ac2b6c2dcaeff8ce0fea959f90f7e558e90');
INSERT INTO public.fieldcrypt_migration_ranges VALUES ('letters', 'undo', 'letters', 1, '\x81696c6574746572203130', '\x81696c6574746572203139', NULL, 1794094323.8571062, false, 1, 1, 0);
INSERT INTO public.fieldcrypt_migration_ranges VALUES ('customers', 'undo', 'customers', 1, '\x810a', '\x8113', NULL, 1794094323.8061109, false, 1, 1, 0);
INSERT INTO public.fieldcrypt_migrations VALUES ('customers', 'undo', 'customers', 'ssn -> ssn_encrypted (customers.ssn) by id Integer', '\x8113', false, true, 24, 10, 10, 0, 1794094308.757887, 1794094308.802135, NULL);
INSERT INTO public.fieldcrypt_migrations VALUES ('letters', 'undo', 'letters', 'body (letters.body) by id String', '\x81696c6574746572203139', false, true, 24, 10, 10, 0, 1794094308.820342, 1794094308.8532214, NULL);
INSERT INTO public.letters VALUES ('letter 11', 'clinic 1', '\x01823c1da107d6f5f2f9782f1f448e7d43711455db0c1a96b747f5724b57e3148e8be9ae7111b58171a2a083760ef20670029cac9d9cbad3794085f597feda8f3857f8ed26');
INSERT INTO public.letters VALUES ('letter 12', 'clinic 0', '\x01b9012b6fd1b1f6bded9d460b8656e73bc7b784a9e860b60eacc7fc45b39acbdfc8f20f1ed0a31cd9425ea3a8ae854f838327dab6855e1e6f5f1692ac81df02a39294ff06');
INSERT INTO public.letters VALUES ('letter 13', 'clinic 1', '\x01823c1da107d6f5f2f9782f1f448e7d43711455db0c1a96b747f5724b36d277808cde65847704a2e9f6fb498ed2202a2c242ac0992768e13ad84cc3e1b2f9957d48c8daa9');
INSERT INTO public.letters VALUES ('letter 14', 'clinic 0', '\x01b9012b6fd1b1f6bded9d460b8656e73bc7b784a9e860b60eacc7fc45789e0461f39084484f265375241f8a2c7ca109e7d5fbd31a44456646654a8dc6e85c7b0d7bbecc61');
INSERT INTO public.letters VALUES ('letter 15', 'clinic 1', '\x01823c1da107d6f5f2f9782f1f448e7d43711455db0c1a96b747f5724b826ca28b5497546e1c105bc103282a61ef0ddaf133f2880581e5ccb47fdca93411dff238aa47fa3d');
INSERT INTO public.letters VALUES ('letter 16', 'clinic 0', '\x01b9012b6fd1b1f6bded9d460b8656e73bc7b784a9e860b60eacc7fc45a46c9963bb80edaa69d0c339a8c3cb67a684210874e06a8179ff0fe168b872d26895b3d0fea9f43e');
INSERT INTO public.letters VALUES ('letter 17', 'clinic 1', '\x01823c1da107d6f5f2f9782f1f448e7d43711455db0c1a96b747f5724b1f67b6edd3ca8c1572408efa76661a381a486cf83133439ea6c3d95fced6885544165e8ce5b70778');
INSERT INTO public.letters VALUES ('letter 18', 'clinic 0', '\x01b9012b6fd1b1f6bded9d460b8656e73bc7b784a9e860b60eacc7fc45cbdb1b19b0029b637ff019b97293ca0b7e91b12a80b367fb64bb5cfb3390f08afad6cf469f754835');
INSERT INTO public.letters VALUES ('letter 19', 'clinic 1', '\x01823c1da107d6f5f2f9782f1f448e7d43711455db0c1a96b747f5724b228d1ca159286fba26fabf60e1f3837f16658ffe33620dd6b6f213332def523a8347594325453a7b');
INSERT INTO public.letters VALUES ('letter 20', 'clinic 0', '\x01b9012b6fd1b1f6bded9d460b8656e73bc7b784a9e860b60eacc7fc45821cefa48a375ef7b6f329f35221f598048a8599f664b02c44ce67cda98b1c9670f8d82f51374b1c');
INSERT INTO public.letters VALUES ('letter 21', 'clinic 1', '\x01823c1da107d6f5f2f9782f1f448e7d43711455db0c1a96b747f5724bc992f53107a0fbbb0725a94de09840962f4cb8b5252ef525d342d5137b50371ff00d94eeb97590c7');
INSERT INTO public.letters VALUES ('letter 22', 'clinic 0', '\x01b9012b6fd1b1f6bded9d460b8656e73bc7b784a9e860b60eacc7fc45d577d330fd8a76bab1e889d9a5f7bc7bcdb8e0c327ca55e889b4985178ac050683bdad3918fc2b0d');
INSERT INTO public.letters VALUES ('letter 23', 'clinic 1', '\x01823c1da107d6f5f2f9782f1f448e7d43711455db0c1a96b747f5724b7ed53c5c02f7270181589ea40eb7e57c73d966e8d9b5c3d71cc918ff5e914a035a3c540ce27f235d');
INSERT INTO public.letters VALUES ('letter 00', 'clinic 0', '\x3037382d30352d31303030');
INSERT INTO public.letters VALUES ('letter 01', 'clinic 1', '\x3037382d30352d31303031');
INSERT INTO public.letters VALUES ('letter 02', 'clinic 0', '\x3037382d30352d31303032');
INSERT INTO public.letters VALUES ('letter 03', 'clinic 1', '\x3037382d30352d31303033');
INSERT INTO public.letters VALUES ('letter 04', 'clinic 0', '\x3037382d30352d31303034');
INSERT INTO public.letters VALUES ('letter 05', 'clinic 1', '\x3037382d30352d31303035');
INSERT INTO public.letters VALUES ('letter 06', 'clinic 0', '\x3037382d30352d31303036');
INSERT INTO public.letters VALUES ('letter 07', 'clinic 1', '\x3037382d30352d31303037');
INSERT INTO public.letters VALUES ('letter 08', 'clinic 0', '\x3037382d30352d31303038');
INSERT INTO public.letters VALUES ('letter 09', 'clinic 1', '\x3037382d30352d31303039');
INSERT INTO public.letters VALUES ('letter 10', 'clinic 0', '\x3037382d30352d31303130');
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
