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
INSERT INTO public.customers VALUES (0, '078-05-1000', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7a043e8dd7448b9b5f310b0f20ea8bd94ea6a24f985182f386c9ac517f5b58624f21dfdd252745c648', '\xdcbd04d4369b304070f7f11d9cc33400');
INSERT INTO public.customers VALUES (1, '078-05-1001', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7a9a7649562bac23d5fae27633678e96c84a137a43f0722b2f7b71c1cd89f91ffbe1672c913e516d29', '\x2f81d0569ca8dcd9572b9531d9580954');
INSERT INTO public.customers VALUES (2, '078-05-1002', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7aa751c3d5f7db5169918c6cf20328c269a2f180bbeb2ac24120cfe65be84d0be69d3cfd34077fc058', '\xb1b2101466aec4ec19446830dad2aa90');
INSERT INTO public.customers VALUES (3, '078-05-1003', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7a1a87a673306ac79ead8a826cdf6591648578f3568094c78ddb88d1502728d616ad36c3e6affbcf39', '\xabc41344e29dbff2308508002a730372');
INSERT INTO public.customers VALUES (4, '078-05-1004', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7ac6e2bed0c5bfbc9ef3bc45ce94989815ddcdb03048454ab9d2a6793f77f31e66cba248c48e13f6f1', '\x4b75013502ba8ffad0453736ab1e6023');
INSERT INTO public.customers VALUES (5, '078-05-1005', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7aa071bd7488792a00cb3d07e1838d59a1140aa9a53507ebd6b885127cefca2adf0732b681b638e98e', '\x305fd16d690b5f044bf3f19cd75df9f6');
INSERT INTO public.customers VALUES (6, '078-05-1006', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7a69f371536dc2438ff5fbf3862fdd23a6d8c0c2b046ab2adaaa5d8fa396f8f9d6ce222c80f4e32b58', '\x91d96c4966a7d5f54a568ed6ee77b344');
INSERT INTO public.customers VALUES (7, '078-05-1007', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7a119fbf8e50ba74907d6217e43caaa41c1b1d8e25f8cce87e8ca201819d0c872f3b553deaf80f12e2', '\x3c8f727bdf664573a8d1cf01873fd195');
INSERT INTO public.customers VALUES (8, '078-05-1008', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7a4bad63e0e3ab3347486311d6a7516065d8c0bf0884297359c99f31279a82137175fd92f72ae6b0f8', '\x81c556a324b472e983613d646983c39f');
INSERT INTO public.customers VALUES (9, '078-05-1009', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7a1c6103f696eed7b2cfd3d39dffe6e0c568057119401777f56cb87fdce1e2eff2bc9780f7ac3bfde5', '\xc2da3341312de6420d268208dd0f3d77');
INSERT INTO public.customers VALUES (10, '078-05-1010', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7ada4bca1e1f2407ffd6ea83fcfe9134ddd8d6bf25a5302b1ad5db8365084a3792816f1939e3c8478d', '\x5e8fda0f36eb5be8161b96abef7fd6a2');
INSERT INTO public.customers VALUES (11, '078-05-1011', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7a71bb5412860f420bcf4a7b9c0af92d913d81289840c74411cb1f7d9d9b40d837f6d7595053e113dd', '\x7096c44490c7f37d6a2420d2eafdee71');
INSERT INTO public.customers VALUES (12, '078-05-1012', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7a6741d5d637edc15512dabf9e81e7fcc0957d985c2bf7a71719bc87c3b279a404fa68a41706cf00ac', '\x36c6d0af59c0ce9a594a139dcaa5d893');
INSERT INTO public.customers VALUES (13, '078-05-1013', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7a01455934a8a35c38ef305938f63f837717c33db17d4c811666e6f6e4c3a4c97cf36086444b66ff03', '\xb867ec42b6043d4933d349f000cb06ef');
INSERT INTO public.customers VALUES (14, '078-05-1014', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7ae693ec5797e2f32284b08a29d6ea0c49dd83954cfa3a22ce17d196553e3bf017b7e77234caa1df05', '\x2e9a4c3389d66a1add4798fbc6a17910');
INSERT INTO public.customers VALUES (15, '078-05-1015', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7a2cedd1b07f1ae0da04e0a3eabeab26cdd077230524c89926533c84bcc784fae85021138e19e69452', '\x607ebc0974880a3c11a8793a285248a8');
INSERT INTO public.customers VALUES (16, '078-05-1016', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7a2a79cf5257e6e6e843b76e0aa3a0faf9ba89f001d1f08665e3c217c9790e3646a940934de4dd35ab', '\x5adf23a22be4be0e0d4985cdf0ed55c8');
INSERT INTO public.customers VALUES (17, '078-05-1017', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7a4b0f275303040e295d0f0ead2ede1afe6e64e4f558e7d25162480ffb2654795cb32b932d484b51a7', '\x0b96a100d16a6137bfa387b3a03fb482');
INSERT INTO public.customers VALUES (18, '078-05-1018', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7aeb136760f538435dcf2da886a8538b6b35b812ece014864c115e448c93362ec323d10884b359e6cb', '\x83fca7787573252d43208485e62342c5');
INSERT INTO public.customers VALUES (19, '078-05-1019', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7a2116e342c5cee04871ce3d23e1176e084dd867ff141b2029a1f53f19e5a2137b264c051ca128ee8d', '\x8bd6be5e9d91faf11a51ac9598b2575a');
INSERT INTO public.customers VALUES (20, '078-05-1020', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7ade2feee0ae8296e0939308319cbc7158cabc7bc212dfd102c0f9257b55382fa75bbacadd11de0dde', '\x595cb110247282cbec5a0497b405fad7');
INSERT INTO public.customers VALUES (21, '078-05-1021', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7a6b8806a7665eb797d24a60b58a7eedd73bb10c2f55c4e5a3090d807fd85abddb6e7c7eb5404b35ca', '\xb4957e04ff32830be0f277f7a8500eb6');
INSERT INTO public.customers VALUES (22, '078-05-1022', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7ad17f086082dc0fbe3e03a5b847528354a6bfa18ac6dd6be122c7cf4a33b5babbc8aa0f92843b43dc', '\x6bc3609222968bd167cf115edbaa72cb');
INSERT INTO public.customers VALUES (23, '078-05-1023', '\x0193d478cd2bcbc0779ab0b5bb736e19ec0faea1c29b8f163376796d7adbacc3acd8655361918e971454c28b52647fa9125438ba96cece8d52217695b0addac870c8d270ee', '\x124c8d9b2a897083dc3affb3f4eccd7e');
INSERT INTO public.fieldcrypt_data_keys VALUES ('93d478cd2bcbc0779ab0b5bb736e19ec', NULL, 'active', '\x0101000000006aefb4bc000100166c6f63616c3a383439386434363762393061366264340048dfc423509a937a72d94ada2e7161a08bfdf42ec9c98d6bfc1053becb79bd27476912e4039778d0027225bb0ac1ee238e61e0b6df7a5c1883dea3a1ad85ac3e2a8e873e2a29fc56cd3c0a7f78de74642710e50ea20dac37476d90f6e55af63ffcbda8124407b9b80f');
INSERT INTO public.fieldcrypt_data_keys VALUES ('a8d1b340ae1243d0132b6a92f6851960', NULL, 'active', '\x0102000000006aefb4bc000100166c6f63616c3a383439386434363762393061366264340048dae601268e97a8869908ac63a858bda430a91d4e8414143917c2f23924e343fdab4ff4571d257a3f6254d581102615c0d954bb73922c8368378ecad4e18bcbd652f843b9e88f9b74a27e0dc1a1e897d2607756d689513c514aa6b1bb80eede7ce6d099acc56b16dc');
INSERT INTO public.fieldcrypt_data_keys VALUES ('bb6716f4131555206a8b495721330ea1', 'clinic 0', 'active', '\x0101000000006aefb4c608636c696e696320300100166c6f63616c3a383439386434363762393061366264340048a9af6e3e6cd90f6625b48770385f819952b55aa52fa404ae11f610afb7360a1145afc0d884158808de04ce8253190b1f8d79c728d30facb827e4cb0b84dc88c39032317dd75c062274ef2156a0748bca56d1024ead0d56055821f918b6219a175f9f2b1f4bda5ce3');
INSERT INTO public.fieldcrypt_data_keys VALUES ('caa819d490cc38bc2c0a090ce5045fab', 'clinic 1', 'active', '\x0101000000006aefb4c608636c696e696320310100166c6f63616c3a383439386434363762393061366264340048471ec2aeb3163a48eeaf5e605523144c7fa25ef5131796d3dcbb21594ba76dbd937180fcd9dba2c3842808b3ee7c57d3de1134e8a488ddcac55b6b8af2feafb4f1258a8375fdbf8b4aae446e2722850ae020d6b66db67f304bc2f7a75e24a4290aeb6facd2965316');
INSERT INTO public.fieldcrypt_migrations VALUES ('customers', 'backfill', 'customers', 'ssn -> ssn_encrypted (customers.ssn) by id Integer', '\x8113', true, false, 24, 24, 24, 0, 1794094268.2071195, 1794094268.2981114, 1794094268.2981114);
INSERT INTO public.fieldcrypt_migrations VALUES ('customers', 'verify', 'customers', 'ssn -> ssn_encrypted (customers.ssn) by id Integer', NULL, true, false, 24, 24, 0, 0, 1794094278.3072124, 1794094278.3072124, 1794094278.3096738);
INSERT INTO public.fieldcrypt_migrations VALUES ('letters', 'backfill', 'letters', 'body (letters.body) by id String', '\x81696c6574746572203139', true, false, 24, 24, 24, 0, 1794094278.3142953, 1794094278.399393, 1794094278.399393);
INSERT INTO public.fieldcrypt_migrations VALUES ('letters', 'verify', 'letters', 'body (letters.body) by id String', NULL, true, false, 24, 24, 0, 0, 1794094288.406114, 1794094288.406114, 1794094288.40831);
INSERT INTO public.letters VALUES ('letter 00', 'clinic 0', '\x01bb6716f4131555206a8b495721330ea1e7bfc4cece54fd11f59ffdce0e471411cd4c0c1395b0812408bf02b2749a8ef73ca1052e526ea6dd70230db9bc8e2e72cc1ee607');
INSERT INTO public.letters VALUES ('letter 01', 'clinic 1', '\x01caa819d490cc38bc2c0a090ce5045fab98610e244c5d40c3ec94e4f31028873c007c52e2762eea346b5adbc151cb4cf8676201ff9aabe97be800a76f33ba5cf5510be4c0');
INSERT INTO public.letters VALUES ('letter 02', 'clinic 0', '\x01bb6716f4131555206a8b495721330ea1e7bfc4cece54fd11f59ffdce1feb294488d9d9e871a98a932e8c5faad9f4804db72a28349f1714c86bb7b25975363bb99f73d3dd');
INSERT INTO public.letters VALUES ('letter 03', 'clinic 1', '\x01caa819d490cc38bc2c0a090ce5045fab98610e244c5d40c3ec94e4f3944aef274a87515447231d384ef59ee6e3caee3eb523534579e0414ff3af2480b85b6c540959c85b');
INSERT INTO public.letters VALUES ('letter 04', 'clinic 0', '\x01bb6716f4131555206a8b495721330ea1e7bfc4cece54fd11f59ffdce393d03b6191d5038fe47fd1e97c3833f1a2186b4335d77a816f2b38f56d4204617683ec2309e9bc7');
INSERT INTO public.letters VALUES ('letter 05', 'clinic 1', '\x01caa819d490cc38bc2c0a090ce5045fab98610e244c5d40c3ec94e4f32596b69951a4f324768c53b63c4e2baeda3325036c5c04a0ebb84636a59d443c7f388e6d4a860883');
INSERT INTO public.letters VALUES ('letter 06', 'clinic 0', '\x01bb6716f4131555206a8b495721330ea1e7bfc4cece54fd11f59ffdcede1a00a25aa4259ecd9ac6920c1cf40d292be0b0d898f4f614f6aeabdc11cbb9827a4a73e3a8c1a8');
INSERT INTO public.letters VALUES ('letter 07', 'clinic 1', '\x01caa819d490cc38bc2c0a090ce5045fab98610e244c5d40c3ec94e4f383cece63b0ab3903597087627f103570150fc15046a94ce208de17a28d9f93d51fdcbca2451a3bdb');
INSERT INTO public.letters VALUES ('letter 08', 'clinic 0', '\x01bb6716f4131555206a8b495721330ea1e7bfc4cece54fd11f59ffdce24fef01ab71d67b762014431a292df68e238cf0227fc937ccbe1e88b8c10d1f72935986f0485299e');
INSERT INTO public.letters VALUES ('letter 09', 'clinic 1', '\x01caa819d490cc38bc2c0a090ce5045fab98610e244c5d40c3ec94e4f3e6163973fe492215983343bee06c137ef93d18210586f7a223426e6f8ec64206dac02bf67b28741e');
INSERT INTO public.letters VALUES ('letter 10', 'clinic 0', '\x01bb6716f4131555206a8b495721330ea1e7bfc4cece54fd11f59ffdce1b65e5a044ccf5f8af156c63c6ffc809f7bf86d25213990d2b0c17f7233ff6ba57eced9417c90bdd');
INSERT INTO public.letters VALUES ('letter 11', 'clinic 1', '\x01caa819d490cc38bc2c0a090ce5045fab98610e244c5d40c3ec94e4f350034be7c5fe83f764bc817a1f7bb89f94d0c035ddfcf5d21a41b933db8de413922688d7819fbbcc');
INSERT INTO public.letters VALUES ('letter 12', 'clinic 0', '\x01bb6716f4131555206a8b495721330ea1e7bfc4cece54fd11f59ffdce1beaeacde0b73000b378f911a530834c6f0a26323bd4ff22e446bb9dc086dc6aa469980526297c42');
INSERT INTO public.letters VALUES ('letter 13', 'clinic 1', '\x01caa819d490cc38bc2c0a090ce5045fab98610e244c5d40c3ec94e4f31bf5fe4f851aa98a8ef4fd38298894fc534cb30f2405b8618c756dde1656510596276976db53344b');
INSERT INTO public.letters VALUES ('letter 14', 'clinic 0', '\x01bb6716f4131555206a8b495721330ea1e7bfc4cece54fd11f59ffdce3706b48e783ffbe3ad82a52e68bde0e0542a7018a9538a61a7823981a2247926708a5a888522b7c0');
INSERT INTO public.letters VALUES ('letter 15', 'clinic 1', '\x01caa819d490cc38bc2c0a090ce5045fab98610e244c5d40c3ec94e4f37a5a1ceeff04e004586915c31485ed46f3d7f0dd7071b92b8c9614ec8f1b16354a1063559e8f5d7a');
INSERT INTO public.letters VALUES ('letter 16', 'clinic 0', '\x01bb6716f4131555206a8b495721330ea1e7bfc4cece54fd11f59ffdce73a0f1ef59de02d9cd569ab93e79bc7363b503bcb69bfb739d10ef5ea77ea5271e7ca1934f399972');
INSERT INTO public.letters VALUES ('letter 17', 'clinic 1', '\x01caa819d490cc38bc2c0a090ce5045fab98610e244c5d40c3ec94e4f32e330d2494f7c6dc75610cfe58c9dca9cf4ca9350062f756cc5df7392b0981debc57b08b4aa88db9');
INSERT INTO public.letters VALUES ('letter 18', 'clinic 0', '\x01bb6716f4131555206a8b495721330ea1e7bfc4cece54fd11f59ffdceaf883c9412cf6b56de4a90ddfab832795b7e60874d8534b05e7d5e96b3de4444ca6b991ca1dfce24');
INSERT INTO public.letters VALUES ('letter 19', 'clinic 1', '\x01caa819d490cc38bc2c0a090ce5045fab98610e244c5d40c3ec94e4f34aa0d5dca60ad4350063d1289f9a5bfb9b2397952401d831681c3edc38881c858e2a688f91044e02');
INSERT INTO public.letters VALUES ('letter 20', 'clinic 0', '\x01bb6716f4131555206a8b495721330ea1e7bfc4cece54fd11f59ffdceb1d8f30967f55db36026609011805d90676c33ab89dc9339ae4053ad99434627e0c6348b2947d37e');
INSERT INTO public.letters VALUES ('letter 21', 'clinic 1', '\x01caa819d490cc38bc2c0a090ce5045fab98610e244c5d40c3ec94e4f31292702237e879c8291311cc07eee0251ffaf424eae9a8d5cbe3b0ad38e723815a36f684303bae8f');
INSERT INTO public.letters VALUES ('letter 22', 'clinic 0', '\x01bb6716f4131555206a8b495721330ea1e7bfc4cece54fd11f59ffdce2e82ff72e39923762db0d3212a3b87f81bb4894272af4e3b305f1280368da555afcc105fcb631e98');
INSERT INTO public.letters VALUES ('letter 23', 'clinic 1', '\x01caa819d490cc38bc2c0a090ce5045fab98610e244c5d40c3ec94e4f3b932a1ad9f93a75ad65feb2e8dd7dea93713f48049e7db0b38d25589362fb06925ea0d7461a0bb21');
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
