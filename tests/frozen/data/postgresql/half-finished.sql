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
INSERT INTO public.customers VALUES (11, '078-05-1011', '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa6429625756fbf31509c080b567874acbb5ca2e5998d55ca0fe912553228b7183147ae4e50fc9550845f7c7560', '\x71405ed9d13840378afba4d7eddf1b0b');
INSERT INTO public.customers VALUES (12, '078-05-1012', '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa6429625754118931dd9a99af4aa4db69e707b68686d1ebf94813aaa1b3da30aeafd0f233fbaf4bd3d3542f015', '\xa1ad5e92ea3446cd0e56864fd1e222f9');
INSERT INTO public.customers VALUES (13, '078-05-1013', '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa64296257545db95880b3400f0dfa0020697e2c72b6d4f4bbfffa9f26d7f740d23c1cc48c02bb1ac902b413f00', '\x9a5944a5ec154d5922e74bf42c9e14f1');
INSERT INTO public.customers VALUES (14, '078-05-1014', '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa642962575536ab8f31de94c0535b8cb8b8e362dd5ad29b48e45d777b93de207c5e2102b9ec6e57066c6b6e624', '\x105f71b2dbd2c7f9e35b08a504c13125');
INSERT INTO public.customers VALUES (15, '078-05-1015', '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa6429625755b14edddf021ea500ea9f41f383a0cc1bebca5996d5c3988a3ca71a0f481af885e4b9fb6883841ef', '\x59a30a73aa6d53cfc10589fe7cdcc6f3');
INSERT INTO public.customers VALUES (16, '078-05-1016', '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa64296257515f717e8a6fe064483308f3d939e35a14f3535a97d41e929394c190d5cbbd264ccb1bcde06d72392', '\x63946b05b1e18387761fdd15009ddeee');
INSERT INTO public.customers VALUES (17, '078-05-1017', '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa64296257505544e33da09a7028e8adcded0e40d9dc00381afee570e59de2a6160cf3f248bdfc12f85d86d81e3', '\x6429b164a3885cddb48b0f02cad26394');
INSERT INTO public.customers VALUES (18, '078-05-1018', '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa64296257523ae55eec0c6f958a4fd519ce69c3482234c2373eff500552a48a5c9969f52dec3bf5d91e000e8b3', '\x5209d9aa5f805093ead62559ceafc193');
INSERT INTO public.customers VALUES (19, '078-05-1019', '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa6429625757810bb56f6f92bac1038f3f1e6bda7ad6190d5f60cbbfed58a87602b04d3d3559a39d150abae2312', '\x1561f101cddff6fc8c307628984d3b4d');
INSERT INTO public.customers VALUES (20, '078-05-1020', '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa642962575d26ba4e0fc032100ece9cbd33c77352c5a2c168486fd20fdff806eaf038ac703955e40835536af1c', '\x26a6647b40a8e8a844d61883ec762c75');
INSERT INTO public.customers VALUES (21, '078-05-1021', '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa642962575b8addbeee3e696364195e8f9672de30c0cae0cd52ced36b47c5c06b234f3ac95003ec0378abd6a93', '\x54515a165a7e2ae258a6b06a50aa5c5d');
INSERT INTO public.customers VALUES (22, '078-05-1022', '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa64296257543f05f576a6fabf79e25e4063792317a9ed94c156294615c99c6f508b8148df80ed3605ca43bcb2f', '\x913d2f2a604189eecc104f38e409e0c1');
INSERT INTO public.customers VALUES (23, '078-05-1023', '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa642962575f4319a2141edd58ee0f71ad7eaa7f37b3ec8401f02a36319a99416fd1f956efbaf3043befb357225', '\x8d0db7f35c217b27140ac7543ee523a5');
INSERT INTO public.customers VALUES (0, NULL, '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa642962575721359a0d40c6408077f1e497a37e7eabdd10b1f265df3e26ba045473d55075e64767bfd888e4ada', '\x9d373d0d157764e43e35ef3a4de1d9f1');
INSERT INTO public.customers VALUES (1, NULL, '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa642962575a38cb0539c42406134bf282df3e10457035e8319b0c90b4685337d2501743a9854fab03bdde924e3', '\x435c5a348d65928dbb89036945bfcdc8');
INSERT INTO public.customers VALUES (2, NULL, '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa642962575ebb91357f63aa11b48f6d5eaa67a3f48e558f8ab46b902357fb237be59e0a92044095542d0cbb596', '\x0e1b72e321f997129465b90e7839b040');
INSERT INTO public.customers VALUES (3, NULL, '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa642962575c011799fabf53cd5b997b3fda23dd6c2816896411952e9a1a6721d716ebdd76c6a24d7bcce1d60f4', '\x62a42a8c776183b55dbc98d42c0fe265');
INSERT INTO public.customers VALUES (4, NULL, '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa642962575188d1d133e16a069b05f1abde4464ec1bcb6f396a1246d5ee9cb45ba0a3ae9b0132e5a954341ecee', '\xc311107365d0eb87d2aadac8ddb494d5');
INSERT INTO public.customers VALUES (5, NULL, '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa642962575a4f2cf9c923d8349e94e2289984c36539d71645ea399a9c49a222722712f773399728de131a86362', '\x4514858f31f6a1185709ed1d7617438c');
INSERT INTO public.customers VALUES (6, NULL, '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa642962575120dd02df11bd9c7dfecb7ba7e5f9d5640ed5582d66dc509de5a2e454d9380ad0598603fa9a43bcf', '\x962570e1787e252680c5da543da5be43');
INSERT INTO public.customers VALUES (7, NULL, '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa6429625759b41898d12ba9f96fb4272e318d71b0a27c4995883c326a0f66ca1c7975a32a2a384d96ae2fa041b', '\xbd4b6436e4086240f0fd61c4967f2d80');
INSERT INTO public.customers VALUES (8, NULL, '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa64296257583c81b2a4715b096b3353cb735961218c41a2ff2f507d17ba19624e0b02bb0a3ae70dee63596b5d2', '\x91573a80694665bea5b01d22d53838ca');
INSERT INTO public.customers VALUES (9, NULL, '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa642962575a822f0cd4bcc06d93217b077eee5cc523861994098d87aa45b1667f09d730423a2061f5f68a0a223', '\x70ac3634bb8f896ebb246433167a42a9');
INSERT INTO public.customers VALUES (10, NULL, '\x011bfd4b9438f186dc02d7d49402b2cabc5c90571d9b3abfa642962575a305f5e8776cd5f2cd1c20047d8cf1b4c0a9bd47cef894bfc8708ab3d0599dcf6dfe24e75e62c237', '\xa432901222fb72e5a6ce56295636975e');
INSERT INTO public.fieldcrypt_data_keys VALUES ('1bfd4b9438f186dc02d7d49402b2cabc', NULL, 'active', '\x0101000000006aefb4e4000100166c6f63616c3a3834393864343637623930613662643400485d72d8bcc67681ddf82adfea47ea95b53063a53cb8947856a846c650e270f45aa6ddff50735d0ba4faf6d07eaafafcad28634da56323264c51ff64e89ad8c289ddb04d7d9fc158a4ddc9e4c930f63c00b2f4a2fc3fd1bef6e19c6962abc3e11f7e24583800328a30');
INSERT INTO public.fieldcrypt_data_keys VALUES ('df43b98ddb444e8fd29839069c72ea46', NULL, 'active', '\x0102000000006aefb4e4000100166c6f63616c3a383439386434363762393061366264340048e9463ff3fde190ac0e1b7af0aa9fb7a6b04bb35bef65e1f891cecd7cc271f40d78063342a8f30ac73846528403765af5fbd7b3113bceb9e4f41f75618d5d3c73af3d1b8f60948a39f0f5c27e34d178cfa42306ee693fbcb3ebe14248bfbbc69bfc901f7823218ca7');
INSERT INTO public.fieldcrypt_data_keys VALUES ('c3a5aba50db2ed5c88f1f8dd277ca016', 'clinic 0', 'active', '\x0101000000006aefb4ef08636c696e696320300100166c6f63616c3a38343938643436376239306136626434004808f586a884265c4c9a483031deec458b4f98b1b3605cce7b5602163834749c24895452fed0e2da5f428fff1e904f0abb7a5f24939831946a7e6add23fc669b2e884c6d1bb856ae2aa252ad7d83d74c63d4c54b79f2a69d828cfd46043dbafd8dc072ea30e497158a');
INSERT INTO public.fieldcrypt_data_keys VALUES ('2bf65ec9bcacef7b79dca91b664b76a9', 'clinic 1', 'active', '\x0101000000006aefb4ef08636c696e696320310100166c6f63616c3a3834393864343637623930613662643400489f15371c1af716437138fcec10fce78368024e6c833567e2b9df1e2f215c927df59b920172118d25bb247e0c5756dace6163f801ee974aac244dadda9e1c34b4880abd210578171a10deda7db8de538621ba63ec12fdb45c654077c6b9b1008b9eb87c0d96938e6b');
INSERT INTO public.fieldcrypt_migration_ranges VALUES ('customers', 'finish', 'customers', 1, '\x810a', '\x8113', NULL, 1794094344.3074431, false, 1, 1, 0);
INSERT INTO public.fieldcrypt_migrations VALUES ('letters', 'finish', 'letters', 'body (letters.body) by id String', '\x81696c6574746572203139', true, false, 24, 0, 0, 0, 1794094329.317988, 1794094329.3343024, 1794094329.3343024);
INSERT INTO public.fieldcrypt_migrations VALUES ('customers', 'backfill', 'customers', 'ssn -> ssn_encrypted (customers.ssn) by id Integer', '\x8113', true, false, 24, 24, 24, 0, 1794094308.9837594, 1794094309.0727477, 1794094309.0727477);
INSERT INTO public.fieldcrypt_migrations VALUES ('customers', 'verify', 'customers', 'ssn -> ssn_encrypted (customers.ssn) by id Integer', NULL, true, false, 24, 24, 0, 0, 1794094319.0813303, 1794094319.0813303, 1794094319.0835671);
INSERT INTO public.fieldcrypt_migrations VALUES ('letters', 'backfill', 'letters', 'body (letters.body) by id String', '\x81696c6574746572203139', true, false, 24, 24, 24, 0, 1794094319.0869083, 1794094319.2573504, 1794094319.2573504);
INSERT INTO public.fieldcrypt_migrations VALUES ('letters', 'verify', 'letters', 'body (letters.body) by id String', NULL, true, false, 24, 24, 0, 0, 1794094329.2644205, 1794094329.2644205, 1794094329.2664495);
INSERT INTO public.fieldcrypt_migrations VALUES ('customers', 'finish', 'customers', 'ssn -> ssn_encrypted (customers.ssn) by id Integer', '\x8113', false, true, 24, 10, 10, 0, 1794094329.273006, 1794094329.3036866, NULL);
INSERT INTO public.letters VALUES ('letter 00', 'clinic 0', '\x01c3a5aba50db2ed5c88f1f8dd277ca0161f0bdaa14810e5f8118ea287b5db7c45e8385f8213697dd217a5c7a143f31e027564715a1ec29b57ec2594e94979060936db8036');
INSERT INTO public.letters VALUES ('letter 01', 'clinic 1', '\x012bf65ec9bcacef7b79dca91b664b76a90433c4733236b9ec6a85769569d041d962ab782ee5f22c5e38a2f9ce269965da91101e51207d9a05319c7ea78642e465eccd0827');
INSERT INTO public.letters VALUES ('letter 02', 'clinic 0', '\x01c3a5aba50db2ed5c88f1f8dd277ca0161f0bdaa14810e5f8118ea2874953bd7e9d290cd320c4a1071a7831d33a4d27675ee6198c0ae9b9c1a2723cba927b1227ef32148f');
INSERT INTO public.letters VALUES ('letter 03', 'clinic 1', '\x012bf65ec9bcacef7b79dca91b664b76a90433c4733236b9ec6a8576957ec7c0b0d62f49f82b13aa20a9dec485fd9901fbc5209cd3e3bdc8220599744e6ded6abff28937fe');
INSERT INTO public.letters VALUES ('letter 04', 'clinic 0', '\x01c3a5aba50db2ed5c88f1f8dd277ca0161f0bdaa14810e5f8118ea287992bc96f7131bdb5353e5eaeb414afc1ff4af67e343fa0bb20c7ae9fcbd3d795ada81041a28833c3');
INSERT INTO public.letters VALUES ('letter 05', 'clinic 1', '\x012bf65ec9bcacef7b79dca91b664b76a90433c4733236b9ec6a857695ee114fc9093064af2d107783758567c69066a0a5198c38029b9c3150dae7c652b10e52659bf5e261');
INSERT INTO public.letters VALUES ('letter 06', 'clinic 0', '\x01c3a5aba50db2ed5c88f1f8dd277ca0161f0bdaa14810e5f8118ea287bf2a54ca00c74de179f3845f5df027053069aeacbabe1b80f9349dc3f9abe73c235f9173b55d3d95');
INSERT INTO public.letters VALUES ('letter 07', 'clinic 1', '\x012bf65ec9bcacef7b79dca91b664b76a90433c4733236b9ec6a85769587f862336f0e5d47f0fcb79b7847d31b57d9098028102918baaa432644192deb8689e46b6be45e4b');
INSERT INTO public.letters VALUES ('letter 08', 'clinic 0', '\x01c3a5aba50db2ed5c88f1f8dd277ca0161f0bdaa14810e5f8118ea2870e6e2aed586c6d9026cbc57419bbabdfd106721233db537aaf1abb760a9af6fe79fda028cabfd376');
INSERT INTO public.letters VALUES ('letter 09', 'clinic 1', '\x012bf65ec9bcacef7b79dca91b664b76a90433c4733236b9ec6a8576950d608c9968041d3de771277f619c282824c54760fc11ab28f56f0801da7debff80de23ed3aafd4a5');
INSERT INTO public.letters VALUES ('letter 10', 'clinic 0', '\x01c3a5aba50db2ed5c88f1f8dd277ca0161f0bdaa14810e5f8118ea28785d9e577117fb4ae83bd22507380ad52dca188983676d89408bb3caeebb357d0f5f5d2a0619bc41d');
INSERT INTO public.letters VALUES ('letter 11', 'clinic 1', '\x012bf65ec9bcacef7b79dca91b664b76a90433c4733236b9ec6a8576954d01276c730e95c16c9719a3b731cc22447f8bfc865f9c6181e011c29a05195d98448a220c0503df');
INSERT INTO public.letters VALUES ('letter 12', 'clinic 0', '\x01c3a5aba50db2ed5c88f1f8dd277ca0161f0bdaa14810e5f8118ea287d49e83c0a1cc5b4996f258533c30d8f17e6f9d54442100822268eb8fa87e4266170fd42df2235e81');
INSERT INTO public.letters VALUES ('letter 13', 'clinic 1', '\x012bf65ec9bcacef7b79dca91b664b76a90433c4733236b9ec6a857695cdfc828396a921a7e87888a41b757119de70372baedda1c8eca35ff6796b37c12d6459e06f85105b');
INSERT INTO public.letters VALUES ('letter 14', 'clinic 0', '\x01c3a5aba50db2ed5c88f1f8dd277ca0161f0bdaa14810e5f8118ea28741488d94d15f8ffaa14cf1e7960ce49f46b726a4b83e2540f6697d8f3e6a3c7315b7020a9edc03d0');
INSERT INTO public.letters VALUES ('letter 15', 'clinic 1', '\x012bf65ec9bcacef7b79dca91b664b76a90433c4733236b9ec6a857695e129f3c07a98eeabda2af6945bd2bcd3bfbf17be769d8b16f085552ba87f456f6a4a9a04531f2bbf');
INSERT INTO public.letters VALUES ('letter 16', 'clinic 0', '\x01c3a5aba50db2ed5c88f1f8dd277ca0161f0bdaa14810e5f8118ea287ea4ce371b4e95122d22ed3669f8cb64d7fd6498ebb1813add138a1b592be5c9f2c9df91c809da393');
INSERT INTO public.letters VALUES ('letter 17', 'clinic 1', '\x012bf65ec9bcacef7b79dca91b664b76a90433c4733236b9ec6a857695594d9efd4d86ea1c323355632f5c4aa629a081499ff8f0a34dd7ded2b137911ce05e17bf4535cc93');
INSERT INTO public.letters VALUES ('letter 18', 'clinic 0', '\x01c3a5aba50db2ed5c88f1f8dd277ca0161f0bdaa14810e5f8118ea287af8681db9a57bda169bfad9b407018c8075580721397f83f14b55cadf320aa8d7d06226f3e508b57');
INSERT INTO public.letters VALUES ('letter 19', 'clinic 1', '\x012bf65ec9bcacef7b79dca91b664b76a90433c4733236b9ec6a85769592176c80c74ea608bef897ca6526fe7a782f9220726726ec6e6d14ce0f888a4e0f719218e043fbd2');
INSERT INTO public.letters VALUES ('letter 20', 'clinic 0', '\x01c3a5aba50db2ed5c88f1f8dd277ca0161f0bdaa14810e5f8118ea287bdf59e1387923450baf6080e4a055742dc7c517367a10bd00a84352c4cea8768648d79fb088a3c80');
INSERT INTO public.letters VALUES ('letter 21', 'clinic 1', '\x012bf65ec9bcacef7b79dca91b664b76a90433c4733236b9ec6a8576959f97b12ec9c45da325d5b34a108b0f1a97a835791c44fdceaf935c926ed820721b1dafcfed9e28b8');
INSERT INTO public.letters VALUES ('letter 22', 'clinic 0', '\x01c3a5aba50db2ed5c88f1f8dd277ca0161f0bdaa14810e5f8118ea28704ed3d86386e34fc5fce28c6dad2d5c388dfc1b4d5b54c82a9a6e571dee53b10f06e4798b93fa12b');
INSERT INTO public.letters VALUES ('letter 23', 'clinic 1', '\x012bf65ec9bcacef7b79dca91b664b76a90433c4733236b9ec6a857695e463bf52b2255a32c5737ee3de8e2c6b690ce9d82032b0dc695971d76e6a3401c7fc0460eae1a6de');
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
