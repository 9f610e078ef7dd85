// Package registry is what the network knows of applications: who owns which.
//
// It promises to compare names literally, letter case aside, and to say that it
// does not know rather than to guess. It never writes.
package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/fluxosd/fluxosd/internal/permissions"
	"github.com/fluxosd/fluxosd/internal/store"
)

// Registry reads the application tables. It implements permissions.Owners.
type Registry struct{ Store store.Store }

// AppOwner returns the Flux ID that owns the application of that full name: as
// the network has it, else as it is installed on this node.
func (r Registry) AppOwner(ctx context.Context, app string) (string, error) {
	for _, table := range []*store.Collection{store.AppsInformation, store.LocalApps} {
		var spec struct {
			Owner string `bson:"owner"`
		}
		q := store.Query{Filter: store.Filter{{Field: "name", Op: store.EqFold, Value: app}}, Limit: 1}
		err := r.Store.FindOne(ctx, table, q, &spec)
		switch {
		case err == nil && spec.Owner != "":
			return spec.Owner, nil
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return "", fmt.Errorf("read %s.%s: %w", table.Database, table.Name, err)
		}
	}
	return "", fmt.Errorf("application %q: %w", app, permissions.ErrNoRecord)
}
