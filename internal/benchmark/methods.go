package benchmark

import "github.com/fluxosd/fluxosd/internal/daemonrpc"

// RPCMethods lists the methods of fluxbenchd with how far their replies are
// shared, for daemonrpc.Config: only what is public and changes nothing is.
func RPCMethods() map[string]daemonrpc.Sharing {
	return map[string]daemonrpc.Sharing{
		"getstatus":     daemonrpc.ShareReply,
		"getbenchmarks": daemonrpc.ShareReply,
		"getinfo":       daemonrpc.ShareReply,
		"help":          daemonrpc.ShareReply,
		"getpublicip":   daemonrpc.ShareFlight,

		"restartnodebenchmarks":  daemonrpc.ShareNothing,
		"startmultiportbench":    daemonrpc.ShareNothing,
		"signzelnodetransaction": daemonrpc.ShareNothing,
		"stop":                   daemonrpc.ShareNothing,
		"getpublickey":           daemonrpc.ShareNothing,
		"encryptmessage":         daemonrpc.ShareNothing,
		"decryptmessage":         daemonrpc.ShareNothing,
		"decryptrsamessage":      daemonrpc.ShareNothing,
	}
}
