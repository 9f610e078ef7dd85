package api

import "github.com/fluxosd/fluxosd/internal/permissions"

// ioutilsRoutes are the rows of /ioutils: uploads into the volumes of applications.
func (s *Server) ioutilsRoutes() []Route {
	return []Route{
		{Method: "POST", Path: "/ioutils/fileupload/:type?/:appname?/:component?/:folder?/:filename?", Level: permissions.AppOwnerAbove, Kind: Stream,
			Summary: "Upload files into an app's volume",
			Params: []Param{
				Path("type", "string").Need().Says("backup for the folder of uploaded backups, else the app's data"),
				Path("appname", "string").Need(), Path("component", "string").Need(), Path("folder", "string"),
				Path("filename", "string").Says("name to store under instead of the field name"),
				Body("(files)", "file").Need().Says("the field name is the file name"),
			},
			Result: "stream of JSON: [received, expected] in bytes, and the name of each finished file"},
	}
}
