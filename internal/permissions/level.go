package permissions

import "fmt"

// Level is the privilege a route demands. The zero Level admits nobody, so a
// route whose author forgot to choose fails closed.
//
// There is no hierarchy between the levels: AppOwner excludes the node owner
// and the Flux team, Admin excludes the team, FluxTeam excludes the node owner.
type Level uint8

const (
	// Nobody admits no caller at all.
	Nobody Level = iota
	// Public admits everybody, signed in or not.
	Public
	// User admits every identity that proves itself with a signature.
	User
	// FluxTeam admits the Flux team and the Flux support team.
	FluxTeam
	// Admin admits the node owner.
	Admin
	// AdminAndFluxTeam admits the node owner, the Flux team and its support team.
	AdminAndFluxTeam
	// AppOwner admits the owner of the application that the request names.
	AppOwner
	// AppOwnerAbove admits the owner of the application, the Flux team, its
	// support team and, unless the operator renounced it, the node owner.
	AppOwnerAbove
)

var levelNames = [...]string{"nobody", "public", "user", "fluxteam", "admin", "adminandfluxteam", "appowner", "appownerabove"}

// String returns the name of the level as the route contract writes it.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}

// NeedsApp reports whether the level depends on an application named by the request.
func (l Level) NeedsApp() bool { return l == AppOwner || l == AppOwnerAbove }
