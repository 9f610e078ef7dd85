package api

import "github.com/fluxosd/fluxosd/internal/permissions"

// arcaneRoutes are the rows of /arcane: configuration of nodes under ArcaneOS,
// over HTTPS alone.
func (s *Server) arcaneRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/arcane/authchallenge", Level: permissions.Public,
			Summary: "Challenge for a configuration change on ArcaneOS",
			Result:  "object: challenge of the configuration daemon"},
		{Method: "POST", Path: "/arcane/configsync", Level: permissions.Public,
			Summary: "Change the configuration of an ArcaneOS node",
			Params: []Param{
				Body("challenge", "string").Need(), Body("encryptedChallenge", "string").Need(),
				Body("signature", "string").Need(), Body("configData", "object").Need(),
			},
			Result: "object: result of the configuration daemon"},
	}
}
