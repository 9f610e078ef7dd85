package api

import "github.com/fluxosd/fluxosd/internal/permissions"

// backupRoutes are the rows of /backup and the tasks under /apps that write and
// restore backups.
func (s *Server) backupRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/backup/getvolumedataofcomponent/:appname?/:component?/:multiplier?/:decimal?/:fields?", Level: permissions.AppOwnerAbove,
			Summary: "Space on the volume of a component",
			Params: []Param{
				Path("appname", "string").Need(), Path("component", "string").Need(),
				Path("multiplier", "string").Or("MB").Says("unit, for example MB"),
				Path("decimal", "integer").Or("0").Says("decimals of the sizes"),
				Path("fields", "string").Says("names, separated by commas"),
			},
			Result: "object {filesystem, size, used, available, capacity, mount}, only the fields asked for"},
		{Method: "GET", Path: "/backup/getremotefilesize/:fileurl?/:multiplier?/:decimal?/:number?/:appname?", Level: permissions.AppOwnerAbove,
			Summary: "Size of a backup on another host",
			Params: []Param{
				Path("fileurl", "string").Need().Says("public http or https address"),
				Path("multiplier", "string").Or("B").Says("unit, for example MB"),
				Path("decimal", "integer").Or("0").Says("decimals of the size"),
				Path("number", "boolean").Or("false").Says("true leaves the unit out"),
				Path("appname", "string").Need(),
			},
			Result: "string with unit, or number: size"},
		{Method: "GET", Path: "/backup/getlocalbackuplist/:path?/:multiplier?/:decimal?/:number?/:appname?", Level: permissions.AppOwnerAbove,
			Summary: "Backup archives of an app here",
			Params: []Param{
				Path("path", "string").Need().Says("folder of the app's volume"),
				Path("multiplier", "string").Or("B").Says("unit, for example MB"),
				Path("decimal", "integer").Or("0").Says("decimals of the sizes"),
				Path("number", "boolean").Or("false").Says("true leaves the unit out"),
				Path("appname", "string").Need(),
			},
			Result: "array of {name, create, size}"},
		{Method: "GET", Path: "/backup/removebackupfile/:filepath?/:appname?", Level: permissions.AppOwnerAbove,
			Summary: "Delete a backup archive",
			Params:  []Param{Path("filepath", "string").Need(), Path("appname", "string").Need()},
			Result:  "message: true or false"},
		{Method: "GET", Path: "/backup/downloadlocalfile/:filepath?/:appname?", Level: permissions.AppOwnerAbove, Kind: File,
			Summary: "Download a backup archive",
			Params:  []Param{Path("filepath", "string").Need(), Path("appname", "string").Need()},
			Result:  "file"},
		{Method: "POST", Path: "/apps/appendbackuptask", Level: permissions.AppOwnerAbove, Kind: Stream,
			Summary: "Back up components of an app",
			Params: []Param{
				Body("appname", "string").Need(),
				Body("backup", "array").Need().Says("objects {component, backup: boolean}"),
			},
			Result: "stream of text lines: what is being done"},
		{Method: "POST", Path: "/apps/appendrestoretask", Level: permissions.AppOwnerAbove, Kind: Stream,
			Summary: "Restore components of an app from backups",
			Params: []Param{
				Body("appname", "string").Need(),
				Body("restore", "array").Need().Says("objects {component, restore: boolean, url}"),
				Body("type", "string").Need().Says("local, upload or remote"),
			},
			Result: "stream of text lines: what is being done"},
	}
}
