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
INSERT INTO public.customers VALUES (0, '078-05-1000', '\x0104f4de0fcda07484011693b267f08cdb6b4bba40ad46b0d66c77827996d1b5979b9dda52adb6bc53d976a31c022f9a3df7b5a52413ee1e0f1897abaf5e504dccbae5c6af', '\x243a42ab9cce6f0938d73429f0ccb993');
INSERT INTO public.customers VALUES (1, '078-05-1001', '\x0104f4de0fcda07484011693b267f08cdb6b4bba40ad46b0d66c778279aab79022bd47cee6b2d73596e6ec80dec39806171279ca4a662a2c68588457c759bf2d7e7eab3de7', '\xa314291f0e03132f33916bc4ac4ec513');
INSERT INTO public.customers VALUES (2, '078-05-1002', '\x0104f4de0fcda07484011693b267f08cdb6b4bba40ad46b0d66c7782795daa481bb37cd6c856f36a0baee14ee69fc0401b7f4705f1083681915f3b8311967a49bfd1f8c5fb', '\xb19fee9af1d149545cad324718a25f54');
INSERT INTO public.customers VALUES (3, '078-05-1003', '\x0104f4de0fcda07484011693b267f08cdb6b4bba40ad46b0d66c778279283cb991b90a5ee9a5fe69a86be4201c381efcf4e541dbb03564bf8aba7ba3200ba8caf950a35633', '\x3896982bdd680138a3dbc67e97fd7228');
INSERT INTO public.customers VALUES (4, '078-05-1004', '\x0104f4de0fcda07484011693b267f08cdb6b4bba40ad46b0d66c778279b8bb7db31bd6d80c48ba2d44a3bfc825d169f779f5c782ac17b58b8b67ebb71785aa4fa654f19802', '\xdda19df17ee4e37ccda1d4c08ab2f03a');
INSERT INTO public.customers VALUES (5, '078-05-1005', '\x0104f4de0fcda07484011693b267f08cdb6b4bba40ad46b0d66c778279a340c3e81a057cb9eca0a7d08b9e70205d8be2790f0d05feafcc9bf268ca8712de54be92bbc18865', '\x3be4167c2415fa639dd291560629b09a');
INSERT INTO public.customers VALUES (6, '078-05-1006', '\x0104f4de0fcda07484011693b267f08cdb6b4bba40ad46b0d66c7782794f29ec5f0703004809faf7f6bcdc326571a5fd76f3071b906c32baae654b41c362c082ad8da42d4d', '\x42b12edd22f311b26675a9d4f14d9773');
INSERT INTO public.customers VALUES (7, '078-05-1007', '\x0104f4de0fcda07484011693b267f08cdb6b4bba40ad46b0d66c778279c74f43aedfca8bf7d525034793db126e2d4b77d4c605d08a346f962e05b7cb0091a9aa8eeccb1325', '\x5e5e840f8aa38369ceae7cc23663547f');
INSERT INTO public.customers VALUES (8, '078-05-1008', '\x0104f4de0fcda07484011693b267f08cdb6b4bba40ad46b0d66c7782795260b784f176cf345ae3de51a9f94ab4965a608b49fc8adcdbcc6d8c8771f353d9b3144aafad56cd', '\x12428e2e460d0218295505868c211fd4');
INSERT INTO public.customers VALUES (9, '078-05-1009', '\x0104f4de0fcda07484011693b267f08cdb6b4bba40ad46b0d66c77827933b5b90d0f5456fec1ebb60ac0b028d74103e6ef3e3afabae4f4b238c05d77972cabd63bc01298ba', '\x5d0fc29633647e4c441baa8c08776253');
INSERT INTO public.customers VALUES (10, '078-05-1010', '\x0104f4de0fcda07484011693b267f08cdb6b4bba40ad46b0d66c778279a76e4318211c55158e7538637d296fe3d4e8c1f5996b6e16b97d565530b33c572ae819fe74b8d54d', '\x017bb3346dd2760ead2168692b4dd0db');
INSERT INTO public.fieldcrypt_data_keys VALUES ('04f4de0fcda07484011693b267f08cdb', NULL, 'active', '\x0101000000006aefb4bb000100166c6f63616c3a3834393864343637623930613662643400487926839af5a8d5227c4d52717c1d9d9f4e0ed4f507280544407c1d6a199d2701a0e8d7a737f976b52b0e05484cc043a585073a7d5c9e269fdd08576eca7312abd315b5907980f2edfa33613dd08c263546b5eb97b4dee075e79590be3684ac965092ef622651fad5');
INSERT INTO public.fieldcrypt_data_keys VALUES ('8d05477912c63660d45459f02b7c9532', NULL, 'active', '\x0102000000006aefb4bb000100166c6f63616c3a383439386434363762393061366264340048c32365b073ecba446822288cff29a230d2dcb680f49bd24a99eadbee6c9bb24e7f993acca1936bc8c805a73a324258c2435b594c70414b539d7059ab6856b08994a38a22261988a6db9b8aff3672f52cd0c5cd676ac469784fdcf14d19ad7a020f66eaf2db0c569d');
INSERT INTO public.fieldcrypt_data_keys VALUES ('5e3206f57f5cec386ee6198e71c25150', 'clinic 0', 'active', '\x0101000000006aefb4bb08636c696e696320300100166c6f63616c3a3834393864343637623930613662643400489913e7b651c02eae1b0a0333757e792d21bdeca17bd1743a24bd0e3f96106dc29e9e992816f7f2006cd2586e22bb2be8d5f29837c1d1098d97d8d2337089f0492fa770c74da14b1ea03f2fd4053d4090e2ad799786967a5a5755987c2917c60ead1c4b029f415a47');
INSERT INTO public.fieldcrypt_data_keys VALUES ('52f8473f797517e40497a3f3fc19865e', 'clinic 1', 'active', '\x0101000000006aefb4bb08636c696e696320310100166c6f63616c3a3834393864343637623930613662643400486c596f6614e767cc33530a65f2cf10b97d71870516e7eb5c36505b2f44aec7e77353154c87a38977c29493c02e9afda84c3cd7930fcf00cd8007ecac6171ea549711106ec00bb8bd28cdc94af8d5edb7019722dcd7bae1afaadf3bdfc3d354f3149faa585f09e6cc');
INSERT INTO public.fieldcrypt_migration_ranges VALUES ('letters', 'backfill', 'letters', 1, '\x81696c6574746572203130', '\x81696c6574746572203139', NULL, 1794094282.43782, false, 1, 1, 0);
INSERT INTO public.fieldcrypt_migration_ranges VALUES ('customers', 'backfill', 'customers', 1, '\x810a', '\x8113', NULL, 1794094282.3899784, false, 1, 1, 0);
INSERT INTO public.fieldcrypt_migrations VALUES ('customers', 'backfill', 'customers', 'ssn -> ssn_encrypted (customers.ssn) by id Integer', '\x8113', false, true, 24, 10, 10, 0, 1794094267.3239713, 1794094267.384441, NULL);
INSERT INTO public.fieldcrypt_migrations VALUES ('letters', 'backfill', 'letters', 'body (letters.body) by id String', '\x81696c6574746572203139', false, true, 24, 10, 10, 0, 1794094267.398994, 1794094267.4331536, NULL);
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
INSERT INTO public.letters VALUES ('letter 00', 'clinic 0', '\x015e3206f57f5cec386ee6198e71c2515057e218de659c0400c68fae1ef00279b2b9eef9566571161c93374f712a647072d152651bfffd43ed3cd382b80f5b9259b86855e1');
INSERT INTO public.letters VALUES ('letter 01', 'clinic 1', '\x0152f8473f797517e40497a3f3fc19865ecaa764af1f5e2335675a6a3d54b7ba15ff2cd97337e74da715dd46ec2dc76d74f432da3588d99335363cbf494c882f83eb5d7ca4');
INSERT INTO public.letters VALUES ('letter 02', 'clinic 0', '\x015e3206f57f5cec386ee6198e71c2515057e218de659c0400c68fae1e964f0dfba13f6cbd9a21d5de5f22cd78b6f06b72254e14ccfa54dfd25b9f7b39c18e28243b256b82');
INSERT INTO public.letters VALUES ('letter 03', 'clinic 1', '\x0152f8473f797517e40497a3f3fc19865ecaa764af1f5e2335675a6a3daff7ae47a0b0020a61e9461c6e07ba433fbea8303e7950f21f92bac7dccd1699ebb77df6c2e00a2f');
INSERT INTO public.letters VALUES ('letter 04', 'clinic 0', '\x015e3206f57f5cec386ee6198e71c2515057e218de659c0400c68fae1ed10772f03b3521fbaa852788b22bb2ca6c38d1587d134415b18441d7cb2720caf8b40e0f87540740');
INSERT INTO public.letters VALUES ('letter 05', 'clinic 1', '\x0152f8473f797517e40497a3f3fc19865ecaa764af1f5e2335675a6a3d378402e354e0516c1930bb1744785ae564d9755773222c75c41ba57a981922f162d47814dad4c902');
INSERT INTO public.letters VALUES ('letter 06', 'clinic 0', '\x015e3206f57f5cec386ee6198e71c2515057e218de659c0400c68fae1e90747f2bae0d3cb53b89ac9a4b71428dec15ac07f12d19094fb1ad7532a9fead8189937c962c4f59');
INSERT INTO public.letters VALUES ('letter 07', 'clinic 1', '\x0152f8473f797517e40497a3f3fc19865ecaa764af1f5e2335675a6a3d33b29c6e4cc1ef13e3e1b6be41e1436b531a7866902922e61defe70c765629d6728d087c6d55217e');
INSERT INTO public.letters VALUES ('letter 08', 'clinic 0', '\x015e3206f57f5cec386ee6198e71c2515057e218de659c0400c68fae1e91004bad129e175ec01513332087ddd81816d3e9f3c8cb326b4e9d9cb687a942354b32f3134efbfe');
INSERT INTO public.letters VALUES ('letter 09', 'clinic 1', '\x0152f8473f797517e40497a3f3fc19865ecaa764af1f5e2335675a6a3df36c49f6bdd2a2fc83b68bfaeb5e58b6f0a627ab2e21295a1f917c3a74c63bdbb17840277f8a803b');
INSERT INTO public.letters VALUES ('letter 10', 'clinic 0', '\x015e3206f57f5cec386ee6198e71c2515057e218de659c0400c68fae1eca6e6308edcf111d4c2ccbfbf14a5461d2d78f02742faff1cc844eac38b6315c3e74cbce5e7b15da');
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
