package internal_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fluxosd/fluxosd/"

// borders says which packages may import a technology, and which packages may
// not import each other, directly or through others.
func TestBordersBetweenPackages(t *testing.T) {
	direct := imports(t, "{{.ImportPath}} {{join .Imports \" \"}}")
	deep := imports(t, "{{.ImportPath}} {{join .Deps \" \"}}")
	for technology, owners := range map[string][]string{
		"github.com/gin-gonic/gin":                       {"internal/api"},
		"github.com/docker/docker/client":                {"internal/apps/engine"},
		"modernc.org/sqlite":                             {"internal/store/sqlite"},
		"go.mongodb.org/mongo-driver/v2/mongo":           {"internal/store/mongo"},
		"github.com/prometheus/client_golang/prometheus": {"internal/metrics", "internal/api", "cmd/fluxosd"},
		"github.com/gorilla/websocket":                   {"internal/api"},
		"github.com/shirou/gopsutil/v3/cpu":              {"internal/benchmark/measure"},
		"github.com/shirou/gopsutil/v3/host":             {"internal/benchmark/measure"},
		"github.com/shirou/gopsutil/v3/mem":              {"internal/benchmark/measure"},
		"github.com/google/nftables":                     {"internal/node/privileged"},
		"github.com/huin/goupnp":                         {"internal/node/gateway"},
		"github.com/beevik/ntp":                          {"internal/node/place"},
	} {
		for pkg, list := range direct {
			if slices.Contains(list, technology) && !slices.Contains(owners, strings.TrimPrefix(pkg, module)) {
				t.Errorf("%s imports %s, which belongs to %v", pkg, technology, owners)
			}
		}
	}
	for pkg, forbidden := range map[string][]string{
		"internal/permissions": {"github.com/gin-gonic/gin", module + "internal/store", module + "internal/api", "net/http"},
		"internal/wallet":      {"github.com/gin-gonic/gin", module + "internal/store", "net/http"},
		"internal/store":       {"github.com/gin-gonic/gin", module + "internal/api", module + "internal/permissions"},
		"internal/daemonrpc":   {"github.com/gin-gonic/gin", module + "internal/api", module + "internal/store"},
		"internal/devnet":      {"github.com/gin-gonic/gin", module + "internal/api", module + "internal/store"},
		"internal/health":      {"github.com/gin-gonic/gin", "net/http"},
		"internal/jsjson":      {"net/http", module + "internal/fault", module + "internal/store"},
		"internal/apps/spec":   {"github.com/gin-gonic/gin", "net/http", module + "internal/store", module + "internal/api"},
		"internal/benchmark":   {"github.com/gin-gonic/gin", module + "internal/api", module + "internal/node"},
		"internal/node":        {"github.com/gin-gonic/gin", module + "internal/api"},
	} {
		list, ok := deep[module+pkg]
		if !ok {
			t.Errorf("there is no package %s", pkg)
		}
		for _, f := range forbidden {
			if slices.Contains(list, f) {
				t.Errorf("%s depends on %s", pkg, f)
			}
		}
	}
	for pkg, list := range deep {
		for _, d := range list {
			if strings.HasPrefix(d, "github.com/ethereum/go-ethereum") {
				t.Errorf("%s depends on %s", pkg, d)
			}
		}
	}
}

func imports(t *testing.T, format string) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", format, module+"...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	m := make(map[string][]string)
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		m[f[0]] = f[1:]
	}
	return m
}
