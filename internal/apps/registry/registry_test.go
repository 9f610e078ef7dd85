package registry

import (
	"errors"
	"path/filepath"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/permissions"
	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/sqlite"
)

func TestOwnerIsFoundByTheWholeName(t *testing.T) {
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "x.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Declare(t.Context(), store.All()...); err != nil {
		t.Fatal(err)
	}
	app := func(c *store.Collection, name, owner string) {
		t.Helper()
		if err := db.Insert(t.Context(), c, bson.D{{Key: "name", Value: name}, {Key: "owner", Value: owner}}); err != nil {
			t.Fatal(err)
		}
	}
	app(store.AppsInformation, "Shop", "network's")
	app(store.LocalApps, "shop", "old")
	app(store.LocalApps, "local", "own")
	app(store.AppsInformation, "ownerless", "")
	r := Registry{Store: db}
	for name, want := range map[string]string{"Shop": "network's", "SHOP": "network's", "local": "own"} {
		if got, err := r.AppOwner(t.Context(), name); err != nil || got != want {
			t.Errorf("%s: %q %v, want %q", name, got, err, want)
		}
	}
	for _, name := range []string{"", "Sho", "Shop.", ".*", "Sh.p", "^Shop$", "ownerless", "$ne", "shop\x00"} {
		if got, err := r.AppOwner(t.Context(), name); !errors.Is(err, permissions.ErrNoRecord) {
			t.Errorf("%q: %q %v, want ErrNoRecord", name, got, err)
		}
	}
	db.Close()
	if _, err := r.AppOwner(t.Context(), "Shop"); err == nil || errors.Is(err, permissions.ErrNoRecord) {
		t.Errorf("a store that is gone: %v", err)
	}
}
