module.exports = {
  initial: {
    ipaddress: '',
    zelid: '1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2',
    kadena: '',
    testnet: false,
    development: false,
    apiport: 16127,
    routerIP: '',
    pgpPrivateKey: ``,
    pgpPublicKey: ``,
    blockedPorts: [],
    blockedRepositories: [],
  }
}
