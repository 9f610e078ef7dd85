package api

import "github.com/fluxosd/fluxosd/internal/permissions"

// volumeRoutes are the rows under /apps that browse the volumes of applications.
func (s *Server) volumeRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/apps/getfolderinfo/:appname?/:component?/:folder?", Level: permissions.AppOwnerAbove,
			Summary: "Contents of a folder of an app",
			Params:  []Param{Path("appname", "string").Need(), Path("component", "string").Need(), Path("folder", "string")},
			Result:  "array of {name, size, isDirectory, isFile, isSymbolicLink, createdAt, modifiedAt}"},
		{Method: "GET", Path: "/apps/createfolder/:appname?/:component?/:folder?", Level: permissions.AppOwnerAbove,
			Summary: "Create a folder in an app's volume",
			Params: []Param{
				Path("appname", "string").Need(), Path("component", "string").Need(), Path("folder", "string").Need(),
			},
			Result: "message: Folder Created"},
		{Method: "GET", Path: "/apps/renameobject/:appname?/:component?/:oldpath?/:newname?", Level: permissions.AppOwnerAbove,
			Summary: "Rename a file or folder of an app",
			Params: []Param{
				Path("appname", "string").Need(), Path("component", "string").Need(), Path("oldpath", "string").Need(),
				Path("newname", "string").Need(),
			},
			Result: "message: Rename successful"},
		{Method: "GET", Path: "/apps/removeobject/:appname?/:component?/:object?", Level: permissions.AppOwnerAbove,
			Summary: "Delete a file or folder of an app",
			Params: []Param{
				Path("appname", "string").Need(), Path("component", "string").Need(), Path("object", "string").Need(),
			},
			Result: "message: File Removed"},
		{Method: "GET", Path: "/apps/downloadfile/:appname?/:component?/:file?", Level: permissions.AppOwnerAbove, Kind: File,
			Summary: "Download a file of an app",
			Params: []Param{
				Path("appname", "string").Need(), Path("component", "string").Need(), Path("file", "string").Need(),
			},
			Result: "file"},
		{Method: "GET", Path: "/apps/downloadfolder/:appname?/:component?/:folder?", Level: permissions.AppOwnerAbove, Kind: File,
			Summary: "Download a folder of an app",
			Params: []Param{
				Path("appname", "string").Need(), Path("component", "string").Need(), Path("folder", "string").Need(),
			},
			Result: "zip archive"},
	}
}
