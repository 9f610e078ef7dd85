package devnet

// shieldedCommands are known, and refused where they would need shielded
// funds or keys; those that only list answer that there is nothing.
func shieldedCommands() map[string]*command {
	none := func(args, about string, least, most int) *command {
		return &command{args: args, about: about, min: least, max: most,
			run: func(*Chain, params) (any, error) { return []object{}, nil }}
	}
	no := func(least, most int, args string) *command {
		return &command{min: least, max: most, args: args, about: "Not available on devnet, which has no shielded funds.",
			run: func(*Chain, params) (any, error) {
				return nil, &RPCError{codeWallet, "Not available on devnet: it has no shielded funds"}
			}}
	}
	return inGroup("Shielded", map[string]*command{
		"z_gettotalbalance": {max: 2, args: "( minconf includewatchonly )", run: (*Chain).rpcTotalBalance,
			about: "Balance of the wallet; all of it is transparent."},
		"z_listaddresses":         none("( includewatchonly )", "Shielded addresses: none.", 0, 1),
		"z_listoperationids":      none(`( "status" )`, "Shielded operations: none.", 0, 1),
		"z_getoperationstatus":    none(`( ["id",…] )`, "Shielded operations: none.", 0, 1),
		"z_getoperationresult":    none(`( ["id",…] )`, "Shielded operations: none.", 0, 1),
		"z_listunspent":           none(`( minconf maxconf includewatchonly ["zaddr",…] )`, "Unspent shielded notes: none.", 0, 4),
		"z_exportkey":             no(1, 1, `"zaddr"`),
		"z_exportviewingkey":      no(1, 1, `"zaddr"`),
		"z_getbalance":            {min: 1, max: 2, args: `"address" ( minconf )`, run: (*Chain).rpcShieldedBalance, about: "Balance of a transparent address of the wallet."},
		"z_getmigrationstatus":    no(0, 0, ""),
		"z_getnewaddress":         no(0, 1, `( "type" )`),
		"z_importkey":             no(1, 3, `"zkey" ( rescan startheight )`),
		"z_importviewingkey":      no(1, 3, `"vkey" ( rescan startheight )`),
		"z_importwallet":          no(1, 1, `"filename"`),
		"z_listreceivedbyaddress": no(1, 2, `"zaddr" ( minconf )`),
		"z_mergetoaddress":        no(2, 6, `["fromaddress",…] "toaddress" ( fee transparentlimit shieldedlimit memo )`),
		"z_sendmany":              no(2, 4, `"fromaddress" [{"address":"zaddr","amount":value},…] ( minconf fee )`),
		"z_setmigration":          no(1, 1, "enabled"),
		"z_shieldcoinbase":        no(2, 4, `"fromaddress" "toaddress" ( fee limit )`),
		"zcbenchmark":             no(2, 2, "benchmarktype samplecount"),
		"zcrawjoinsplit":          no(5, 5, "rawtx inputs outputs vpub_old vpub_new"),
		"zcrawkeygen":             no(0, 0, ""),
		"zcrawreceive":            no(2, 2, "zcsecretkey encryptednote"),
		"zcsamplejoinsplit":       no(0, 0, ""),
	})
}

func (c *Chain) rpcTotalBalance(p params) (any, error) {
	minConf, err := p.integer(0, 1)
	if err != nil {
		return nil, err
	}
	confirmed, _, _ := c.balances(minConf)
	text := func(v int64) string {
		b, _ := amount(v).MarshalJSON()
		return string(b)
	}
	return object{"transparent": text(confirmed), "private": text(0), "total": text(confirmed)}, nil
}

func (c *Chain) rpcShieldedBalance(p params) (any, error) {
	_, script, err := p.script(0)
	if err != nil {
		return nil, &RPCError{codeAddress, "Invalid from address: devnet has transparent addresses only"}
	}
	minConf, err := p.integer(1, 1)
	if err != nil {
		return nil, err
	}
	if c.wallet.byScript(script) == nil {
		return nil, &RPCError{codeAddress, "From address does not belong to this node"}
	}
	var sum int64
	for _, u := range c.unspentOf(script) {
		if c.height()-u.height+1 >= minConf {
			sum += u.Value
		}
	}
	return amount(sum), nil
}
