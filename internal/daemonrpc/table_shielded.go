package daemonrpc

import (
	"encoding/json"

	"github.com/fluxosd/fluxosd/internal/permissions"
)

// shieldedRows are the routes of shielded addresses and joinsplits.
func shieldedRows() []Endpoint {
	return []Endpoint{
		{
			Method: get, Path: "/daemon/zexportkey/:zaddr?",
			RPC: "z_exportkey", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{str("zaddr").must()},
			Summary: "Spending key of a shielded address.",
			Result:  "string: key",
		},
		{
			Method: get, Path: "/daemon/zexportviewingkey/:zaddr?",
			RPC: "z_exportviewingkey", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{str("zaddr").must()},
			Summary: "Viewing key of a shielded address.",
			Result:  "string: viewing key",
		},
		{
			Method: get, Path: "/daemon/zgetbalance/:address?/:minconf?",
			RPC: "z_getbalance", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{str("address").must(), num("minconf").or(1)},
			Summary: "Balance of one address of the wallet.",
			Result:  "number",
		},
		{
			Method: get, Path: "/daemon/zgetmigrationstatus",
			RPC: "z_getmigrationstatus", Level: permissions.Admin, ReadOnly: true,
			Summary: "State of the migration from Sprout to Sapling addresses.",
			Result:  "object {enabled, unmigrated_amount, unfinalized_migrated_amount, finalized_migrated_amount, finalized_migration_transactions, migration_txids[]}",
		},
		{
			Method: get, Path: "/daemon/zgetnewaddress/:type?",
			RPC: "z_getnewaddress", Level: permissions.Admin,
			Args:    []Arg{str("type").or("sapling")},
			Summary: "A new shielded address.",
			Result:  "string: address",
		},
		{
			Method: get, Path: "/daemon/zgetoperationresult/:operationid?",
			RPC: "z_getoperationresult", Level: permissions.Admin,
			Args:    []Arg{obj("operationid").or([]any{})},
			Summary: "Results of finished operations, which the daemon then forgets.",
			Result:  "array of {id, status, creation_time, result: {txid}, execution_secs, method, params: {fromaddress, amounts}, minconf, fee}",
		},
		{
			Method: get, Path: "/daemon/zgetoperationstatus/:operationid?",
			RPC: "z_getoperationstatus", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{obj("operationid").or([]any{})},
			Summary: "State of operations, finished or not.",
			Result:  "array of {id, status, creation_time, result: {txid}, execution_secs, method, params: {fromaddress, amounts}, minconf, fee}",
		},
		{
			Method: get, Path: "/daemon/zgettotalbalance/:minconf?/:includewatchonly?",
			RPC: "z_gettotalbalance", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{num("minconf").or(1), flag("includewatchonly").or(false)},
			Summary: "Balance of the wallet, transparent and shielded.",
			Result:  "object {transparent, private, total}",
		},
		{
			Method: get, Path: "/daemon/zimportkey/:zkey?/:rescan?/:startheight?",
			RPC: "z_importkey", Level: permissions.Admin,
			Args:    []Arg{str("zkey").must(), str("rescan").or("whenkeyisnew"), num("startheight").or(0)},
			Summary: "Adds a shielded spending key to the wallet.",
			Result:  "null",
		},
		{
			Method: get, Path: "/daemon/zimportviewingkey/:vkey?/:rescan?/:startheight?",
			RPC: "z_importviewingkey", Level: permissions.Admin,
			Args:    []Arg{str("vkey").must(), str("rescan").or("whenkeyisnew"), num("startheight").or(0)},
			Summary: "Adds a shielded viewing key to the wallet.",
			Result:  "null",
		},
		{
			Method: get, Path: "/daemon/zimportwallet/:filename?",
			RPC: "z_importwallet", Level: permissions.Admin,
			Args:    []Arg{str("filename").must()},
			Summary: "Imports transparent and shielded keys from a wallet dump on the node.",
			Result:  "null",
		},
		{
			Method: get, Path: "/daemon/zlistaddresses/:includewatchonly?",
			RPC: "z_listaddresses", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{flag("includewatchonly").or(false)},
			Summary: "Shielded addresses of the wallet.",
			Result:  "array of string",
		},
		{
			Method: get, Path: "/daemon/zlistoperationids",
			RPC: "z_listoperationids", Level: permissions.Admin, ReadOnly: true,
			Summary: "Identifiers of the operations the daemon knows.",
			Result:  "array of string",
		},
		{
			Method: get, Path: "/daemon/zlistreceivedbyaddress/:address?/:minconf?",
			RPC: "z_listreceivedbyaddress", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{str("address").must(), num("minconf").or(1)},
			Summary: "Amounts a shielded address received.",
			Result:  "array of {txid, jsindex, jsoutindex, amount, confirmations, time, memo, outindex, change}",
		},
		{
			Method: get, Path: "/daemon/zlistunspent/:minconf?/:maxonf?/:includewatchonly?/:addresses?",
			RPC: "z_listunspent", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{num("minconf").or(1), num("maxconf").or(9999999).query(), flag("includewatchonly").or(false), obj("addresses")},
			Summary: "Unspent shielded notes of the wallet.",
			Result:  "array of {txid, jsindex, jsoutindex, outindex, confirmations, spendable, address, amount, memo, change}",
		},
		{
			Method: get, Path: "/daemon/zmergetoaddress/:fromaddresses?/:toaddress?/:fee?/:transparentlimit?/:shieldedlimit?/:memo?",
			RPC: "z_mergetoaddress", Level: permissions.Admin,
			Args: []Arg{
				obj("fromaddresses").must(), str("toaddress").must(), num("fee").or(json.Number("0.0001")),
				num("transparentlimit").or(50), num("shieldedlimit").or(20), str("memo").or(""),
			},
			Summary: "Merges many outputs and notes into one.",
			Result:  "object {remainingUTXOs, remainingTransparentValue, remainingNotes, remainingShieldedValue, mergingUTXOs, mergingTransparentValue, mergingNotes, mergingShieldedValue, opid}",
		},
		{
			Method: get, Path: "/daemon/zsendmany/:fromaddress?/:amounts?/:minconf?/:fee?",
			RPC: "z_sendmany", Level: permissions.Admin,
			Args:    []Arg{str("fromaddress").must(), obj("amounts").must(), num("minconf").or(1), num("fee").or(json.Number("0.0001"))},
			Summary: "Sends amounts from one address to several, transparent or shielded.",
			Result:  "string: operation id",
		},
		{
			Method: post, Path: "/daemon/zsendmany",
			RPC: "z_sendmany", Level: permissions.Admin,
			Args:    []Arg{str("fromaddress").must(), obj("amounts").must(), num("minconf").or(1), num("fee").or(json.Number("0.0001"))},
			Summary: "Sends amounts from one address to several, transparent or shielded.",
			Result:  "string: operation id",
		},
		{
			Method: get, Path: "/daemon/zsetmigration/:enabled?",
			RPC: "z_setmigration", Level: permissions.Admin,
			Args:    []Arg{flag("enabled").must()},
			Summary: "Turns the migration from Sprout to Sapling addresses on or off.",
			Result:  "null",
		},
		{
			Method: get, Path: "/daemon/zshieldcoinbase/:fromaddress?/:toaddress?/:fee?/:limit?",
			RPC: "z_shieldcoinbase", Level: permissions.Admin,
			Args:    []Arg{str("fromaddress").must(), str("toaddress").must(), num("fee").or(json.Number("0.0001")), num("limit").or(50)},
			Summary: "Moves coinbase funds to a shielded address.",
			Result:  "object {remainingUTXOs, remainingValue, shieldingUTXOs, shieldingValue, opid}",
		},
		{
			Method: get, Path: "/daemon/zcbenchmark/:benchmarktype?/:samplecount?",
			RPC: "zcbenchmark", Level: permissions.AdminAndFluxTeam,
			Args:    []Arg{str("benchmarktype").must(), num("samplecount").must()},
			Summary: "Runs a benchmark in the daemon; slow.",
			Result:  "array of {runningtime}",
		},
		{
			Method: get, Path: "/daemon/zcrawjoinsplit/:rawtx?/:inputs?/:outputs?/:vpubold?/:vpubnew?",
			RPC: "zcrawjoinsplit", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{str("rawtx").must(), obj("inputs").must(), obj("outputs").must(), str("vpubold").must(), str("vpubnew").must()},
			Summary: "Adds a joinsplit to a transaction.",
			Result:  "object {encryptednote1, encryptednote2, rawtxn}",
		},
		{
			Method: post, Path: "/daemon/zcrawjoinsplit",
			RPC: "zcrawjoinsplit", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{str("rawtx").must(), obj("inputs").must(), obj("outputs").must(), str("vpubold").must(), str("vpubnew").must()},
			Summary: "Adds a joinsplit to a transaction.",
			Result:  "object {encryptednote1, encryptednote2, rawtxn}",
		},
		{
			Method: get, Path: "/daemon/zcrawkeygen",
			RPC: "zcrawkeygen", Level: permissions.Admin, ReadOnly: true,
			Summary: "A fresh Sprout address with its keys; it is not stored.",
			Result:  "object {zcaddress, zcsecretkey, zcviewingkey}",
		},
		{
			Method: get, Path: "/daemon/zcrawreceive/:zcsecretkey?/:encryptednote?",
			RPC: "zcrawreceive", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{str("zcsecretkey").must(), str("encryptednote").must()},
			Summary: "Decrypts a Sprout note.",
			Result:  "object {amount, note, exists}",
		},
		{
			Method: post, Path: "/daemon/zcrawreceive",
			RPC: "zcrawreceive", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{str("zcsecretkey").must(), str("encryptednote").must()},
			Summary: "Decrypts a Sprout note.",
			Result:  "object {amount, note, exists}",
		},
		{
			Method: get, Path: "/daemon/zcsamplejoinsplit",
			RPC: "zcsamplejoinsplit", Level: permissions.AdminAndFluxTeam, ReadOnly: true,
			Summary: "Runs a sample joinsplit and returns it.",
			Result:  "string: sample joinsplit hex",
		},
	}
}
