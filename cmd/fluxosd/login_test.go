package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxosd/fluxosd/internal/wallet"
)

// An owner who comes to mend an unfit node gets in.
func TestLoginToAnUnfitNode(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /id/loginphrase", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":"error","data":{"message":"Docker is not running properly"}}`)
	})
	mux.HandleFunc("GET /id/emergencyphrase", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":"success","data":"1795355016107phrase"}`)
	})
	mux.HandleFunc("POST /id/verifylogin", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"status":"success","data":{"privilage":"admin","expireAt":"soon"}}`)
	})
	node := httptest.NewServer(mux)
	defer node.Close()
	key, err := wallet.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key.WIF()), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, said bytes.Buffer
	p := process{args: []string{"login", "--key-file", file, "--url", node.URL}, out: &out, err: &said}
	if err := p.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "zelidauth: ") || !strings.Contains(said.String(), "Docker is not running properly") {
		t.Errorf("%s%s", out.String(), said.String())
	}
}
