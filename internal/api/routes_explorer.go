package api

import (
	"time"

	"github.com/fluxosd/fluxosd/internal/permissions"
)

// explorerRoutes are the rows of /explorer: the block index of this node.
func (s *Server) explorerRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/explorer/utxo/:address?", Level: permissions.Public, Cache: 30 * time.Second,
			Summary: "Unspent outputs of an address",
			Params:  []Param{Path("address", "string").Need()},
			Result: "array of {address, txid, vout, height, satoshis, scriptPubKey, coinbase}; confirmations instead of coinbase with " +
				"a daemon address index"},
		{Method: "GET", Path: "/explorer/transactions/:address?", Level: permissions.Public, Cache: 30 * time.Second,
			Summary: "Transactions of an address, newest first",
			Params:  []Param{Path("address", "string").Need()},
			Result:  "array of {txid}"},
		{Method: "GET", Path: "/explorer/balance/:address?", Level: permissions.Public, Cache: 30 * time.Second,
			Summary: "Balance of an address",
			Params:  []Param{Path("address", "string").Need()},
			Result:  "number: satoshis"},
		{Method: "GET", Path: "/explorer/scannedheight", Level: permissions.Public, Cache: 30 * time.Second,
			Summary: "Height up to which blocks are indexed", Result: "object {generalScannedHeight}"},
		{Method: "GET", Path: "/explorer/issynced", Level: permissions.Public, Cache: 30 * time.Second,
			Summary: "Whether the block index is up to date", Result: "boolean"},
		{Method: "GET", Path: "/explorer/fusion/coinbase/:address?", Level: permissions.Public, Cache: 30 * time.Second, Deprecated: true,
			Summary: "Unspent coinbase outputs of an address",
			Params:  []Param{Path("address", "string").Need()},
			Result:  "array of {address, txid, vout, height, satoshis, scriptPubKey, coinbase}"},
		{Method: "GET", Path: "/explorer/fluxtxs", Level: permissions.Public, Cache: 30 * time.Second, Deprecated: true,
			Summary: "Former list of node transactions",
			Params:  []Param{Query("filter", "string").Need()},
			Result:  "array of {txid, version, type, updateType, ip, benchTier, collateralHash, collateralIndex, fluxAddress, lockedAmount, height}"},
		{Method: "GET", Path: "/explorer/reindex/:reindexapps?", Level: permissions.AdminAndFluxTeam,
			Summary: "Drop and rebuild the block index",
			Params: []Param{
				Path("reindexapps", "boolean").Or("false").Says("true rebuilds the app registry too"),
				Query("rescanapps", "boolean").Says("the query name of reindexapps"),
			},
			Result: "message: Explorer database reindex initiated"},
		{Method: "GET", Path: "/explorer/rescan/:blockheight?/:rescanapps?", Level: permissions.AdminAndFluxTeam,
			Summary: "Index the blocks again from a height",
			Params: []Param{
				Path("blockheight", "integer").Need(),
				Path("rescanapps", "boolean").Or("false").Says("true rebuilds the app registry too"),
			},
			Result: "message: Explorer rescan from blockheight {n} initiated"},
		{Method: "GET", Path: "/explorer/restart", Level: permissions.AdminAndFluxTeam,
			Summary: "Restart the indexing of blocks", Result: "message: Block processing initiated"},
		{Method: "GET", Path: "/explorer/stop", Level: permissions.AdminAndFluxTeam,
			Summary: "Stop the indexing of blocks", Result: "message: Block processing is stopped"},
	}
}
