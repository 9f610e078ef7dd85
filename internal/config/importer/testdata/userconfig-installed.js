// Written by the installer.
module.exports = {
      initial: {
        ipaddress: '203.0.113.7',
        zelid: "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        cruxid: '',
        kadena: 'kadena:k:28f9b5ffb0a1' + '?chainid=15',
        testnet: false,
        development: false,
        apiport: '16137', // forwarded by UPnP
        routerIP: '192.168.1.1',
        pgpPrivateKey: `-----BEGIN PGP PRIVATE KEY BLOCK-----

xcMGBGXVqGsBCAC2
=Zx1q
-----END PGP PRIVATE KEY BLOCK-----
`,
        pgpPublicKey: `-----BEGIN PGP PUBLIC KEY BLOCK-----

xk0EZdWoawEIALZ3
=aB3d
-----END PGP PUBLIC KEY BLOCK-----
`,
        blockedPorts: [27017, 5432],
        blockedRepositories: ['mysql', "docker.io/library",],
      },
    };
