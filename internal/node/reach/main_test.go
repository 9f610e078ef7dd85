package reach

import (
	"encoding/json"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// vectors are examples of the network's own software.
type vectors struct {
	SocketAddress []struct {
		Text   string
		Parsed *struct {
			IP   string
			Port uint16
		}
	}
	NonRoutable []struct {
		IP          string
		NonRoutable bool
	}
	Versions []struct {
		Version, Minimum string
		OK               bool
	}
	RequestBody []struct{ What, SignedString, Body string }
}

func readVectors(t testing.TB) vectors {
	t.Helper()
	raw, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.SocketAddress) == 0 || len(v.NonRoutable) == 0 || len(v.Versions) == 0 || len(v.RequestBody) == 0 {
		t.Fatal("vectors are missing")
	}
	return v
}
