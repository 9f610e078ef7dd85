package main

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/testproc"
)

// mongoServer starts the MongoDB wire server of the tests at an address.
func mongoServer(t *testing.T, address, dir string) *testproc.Process {
	t.Helper()
	binary, err := testproc.Build(t.Context(), "../../test/ferretdb", ".", "ferretdb")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-listen", address, "-dir", dir)
	cmd.Dir = dir
	p, err := testproc.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(syscall.SIGKILL) })
	if err := p.Await(t.Context(), 20*time.Second, testproc.Listening(address)); err != nil {
		t.Fatal(err)
	}
	return p
}

// A node on MongoDB whose server dies tells so, on every route that needs it
// and as a problem, and goes on by itself when the server is back.
func TestMongoDBThatDiesAndComesBack(t *testing.T) {
	address, dir := freeAddress(t), t.TempDir()
	server := mongoServer(t, address, dir)
	r := start(t, nil, "--set", "store.uri=mongodb://"+address+"/").ready()
	header, _ := r.curl()
	if _, body := get(t, r.base+"/id/loggedusers", header); !strings.Contains(body, `"loginPhrase"`) {
		t.Fatalf("with the server: %s", body)
	}
	if _, body := get(t, r.base+"/flux/info"); strings.Contains(body, `"mongoDbVersion":null`) {
		t.Errorf("flux/info doesn't name the server: %s", body)
	}

	server.Stop(syscall.SIGKILL)
	began := time.Now()
	_, body := get(t, r.base+"/id/emergencyphrase")
	if want := `{"status":"error","data":{"name":"Error","message":"The node's database can't be reached. Please try again."}}`; body != want {
		t.Errorf("without the server: %s", body)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("the answer took %v", took)
	}
	r.until("the problem", func() bool {
		_, body := get(t, r.private+"/readyz")
		return strings.Contains(body, "store-unreachable") && strings.Contains(body, `"ready": false`)
	})
	if _, body := get(t, r.base+"/flux/version"); !strings.Contains(body, "8.17.0") {
		t.Errorf("a route that needs no store: %s", body)
	}

	mongoServer(t, address, dir)
	r.until("the end of the problem", func() bool {
		_, body := get(t, r.private+"/readyz")
		return strings.Contains(body, `"ready": true`)
	})
	if _, body := get(t, r.base+"/id/loggedusers", header); !strings.Contains(body, `"loginPhrase"`) {
		t.Errorf("after its return the session is gone: %s", body)
	}
}
