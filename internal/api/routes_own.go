package api

import (
	"context"
	"embed"

	"github.com/fluxosd/fluxosd/internal/permissions"
)

// docs is the page that shows the API description. It loads nothing from
// elsewhere.
//
//go:embed docs/index.html docs/app.js docs/style.css
var docs embed.FS

// ownRoutes are the rows that describe the API: no other node has them.
func (s *Server) ownRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/openapi.json", Level: permissions.Public, Kind: File, Own: true,
			Summary: "Description of this API", Result: "OpenAPI 3.1 document", Handle: s.description},
		{Method: "GET", Path: "/docs", Level: permissions.Public, Kind: File, Own: true,
			Summary: "Description of this API, to read and try", Result: "HTML page",
			Handle: page("docs/index.html", "text/html; charset=utf-8")},
		{Method: "GET", Path: "/docs/app.js", Level: permissions.Public, Kind: File, Own: true,
			Summary: "Script of the page", Result: "JavaScript", Handle: page("docs/app.js", "text/javascript; charset=utf-8")},
		{Method: "GET", Path: "/docs/style.css", Level: permissions.Public, Kind: File, Own: true,
			Summary: "Style of the page", Result: "CSS", Handle: page("docs/style.css", "text/css; charset=utf-8")},
	}
}

func (s *Server) description(context.Context, *Request) (any, error) {
	return Raw{ContentType: "application/json; charset=utf-8", Body: s.openAPI()}, nil
}

// page returns the handler of one embedded file.
func page(name, contentType string) Handler {
	return func(context.Context, *Request) (any, error) {
		body, err := docs.ReadFile(name)
		return Raw{ContentType: contentType, Body: body}, err
	}
}
