package devnet

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/fluxosd/fluxosd/internal/wallet"
)

// utilityCommands need no chain.
func utilityCommands() map[string]*command {
	raw := map[string]*command{
		"decodescript": {min: 1, max: 1, args: `"hex"`, run: (*Chain).rpcDecodeScript, about: "A script in words, with the address of its hash."},
		"createmultisig": {min: 2, max: 2, args: `n ["key",…]`, about: "Address and script that need n signatures. Keys: public keys, or addresses of the devnet wallet.",
			run: func(c *Chain, p params) (any, error) {
				redeem, err := c.multisigArgs(p)
				if err != nil {
					return nil, err
				}
				return object{"address": encodeAddress(wallet.VersionFluxScriptHash, wallet.Sum160(redeem)), "redeemScript": hex.EncodeToString(redeem)}, nil
			}},
		"estimatefee":      {min: 1, max: 1, args: "nblocks", run: (*Chain).rpcEstimateFee, about: "Fee per kB in FLUX; every block of the devnet has room."},
		"estimatepriority": {min: 1, max: 1, args: "nblocks", run: (*Chain).rpcEstimatePriority, about: "Priority a free transaction needs: -1, there are none."},
		"validateaddress":  {min: 1, max: 1, args: `"address"`, run: (*Chain).rpcValidateAddress, about: "Whether an address is valid, and what is known of it."},
		"z_validateaddress": {min: 1, max: 1, args: `"zaddr"`, about: "Whether a shielded address is valid. The devnet has none.",
			run: func(c *Chain, p params) (any, error) {
				_, err := p.str(0, "")
				return object{"isvalid": false}, err
			}},
		"verifymessage": {min: 3, max: 3, args: `"address" "signature" "message"`, run: (*Chain).rpcVerifyMessage, about: "Whether a t1 address signed a message (base64)."},
		"signmessage":   {min: 2, max: 2, args: `"address" "message"`, run: (*Chain).rpcSignMessage, about: "Sign a message with an address of the devnet wallet."},
	}
	return inGroup("Util", raw)
}

func (c *Chain) rpcDecodeScript(p params) (any, error) {
	s, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	raw, err := hex.DecodeString(s)
	if err != nil {
		return nil, &RPCError{codeParameter, "argument must be hexadecimal string"}
	}
	o := scriptObject(raw, false)
	o["p2sh"] = encodeAddress(wallet.VersionFluxScriptHash, wallet.Sum160(raw))
	return o, nil
}

// multisigArgs reads (n, keys) into an n-of-keys script.
func (c *Chain) multisigArgs(p params) ([]byte, error) {
	const most = 15 // of them fit the 520 bytes a script's hash may stand for
	n, err := p.integer(0, 0)
	if err != nil {
		return nil, err
	}
	names, err := value[[]string](p, 1, nil, "an array of keys")
	if err != nil {
		return nil, err
	}
	if n < 1 || n > int64(len(names)) || len(names) > most {
		return nil, &RPCError{codeParameter, fmt.Sprintf("%d signatures of %d keys: want 1 to %d keys and at most as many signatures", n, len(names), most)}
	}
	var keys [][]byte
	for _, name := range names {
		pub, err := hex.DecodeString(name)
		if script, e := addressScript(name); e == nil {
			k := c.wallet.byScript(script)
			if k == nil {
				return nil, &RPCError{codeMisc, "no full public key for address " + name}
			}
			pub, err = k.pub, nil
		}
		if err == nil {
			_, err = secp256k1.ParsePubKey(pub)
		}
		if err != nil {
			return nil, &RPCError{codeMisc, "Invalid public key: " + clip(name)}
		}
		keys = append(keys, pub)
	}
	return multisigScript(int(n), keys), nil
}

func (c *Chain) rpcEstimateFee(p params) (any, error) {
	if _, err := p.integer(0, 1); err != nil {
		return nil, err
	}
	return amount(relayFeePerKB), nil
}

func (c *Chain) rpcEstimatePriority(p params) (any, error) {
	_, err := p.integer(0, 1)
	return -1, err
}

func (c *Chain) rpcValidateAddress(p params) (any, error) {
	address, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	script, err := addressScript(address)
	if err != nil {
		return object{"isvalid": false}, nil
	}
	k := c.wallet.byScript(script)
	o := object{"isvalid": true, "address": address, "scriptPubKey": hex.EncodeToString(script), "isscript": isHashScript(script),
		"ismine": k != nil || c.wallet.scripts[string(script)] != nil, "iswatchonly": c.wallet.watch[string(script)]}
	if k != nil {
		o["pubkey"], o["iscompressed"], o["account"] = hex.EncodeToString(k.pub), k.secret.Compressed(), c.wallet.labels[string(script)]
	}
	return o, nil
}

func (c *Chain) rpcVerifyMessage(p params) (any, error) {
	_, script, err := p.script(0)
	if err != nil {
		return nil, err
	}
	signature, err := p.str(1, "")
	if err != nil {
		return nil, err
	}
	text, err := p.str(2, "")
	if err != nil {
		return nil, err
	}
	if !isKeyScript(script) {
		return nil, &RPCError{-3, "Address does not refer to key"}
	}
	ok, err := verifyMessage(script, signature, text)
	if err != nil {
		return nil, &RPCError{codeAddress, "Malformed base64 encoding"}
	}
	return ok, nil
}

func (c *Chain) rpcSignMessage(p params) (any, error) {
	_, script, err := p.script(0)
	if err != nil {
		return nil, err
	}
	text, err := p.str(1, "")
	if err != nil {
		return nil, err
	}
	k := c.wallet.byScript(script)
	if k == nil {
		return nil, &RPCError{codeWallet, "Private key not available"}
	}
	return base64.StdEncoding.EncodeToString(k.signMessage(text)), nil
}
