package api

import "github.com/fluxosd/fluxosd/internal/permissions"

// apikeysRoutes are the rows of /apikeys.
func (s *Server) apikeysRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/apikeys", Level: permissions.User,
			Summary: "API keys of the caller",
			Params:  []Param{Query("type", "string").Says("service, for example solana")},
			Result: "array of {id, name, masked_key, created_at, updated_at, last_used, type, status, permissions[], rate_limit}; " +
				"times in milliseconds"},
	}
}
