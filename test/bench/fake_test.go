package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/fluxosd/fluxosd/internal/wallet"
)

// fakeNode answers the requests of a run as fluxosd does: a phrase is good for
// one login, and sessions are for those who have one. What it forgets is
// everything else.
type fakeNode struct {
	mu       sync.Mutex
	phrases  map[string]bool // issued and not used yet
	sessions map[string]bool // by zelidauth line
	issued   int
	asked    atomic.Int64 // for readiness
}

// notReadyFor is how many looks at /readyz are answered with 503.
const notReadyFor = 3

func newFakeNode() *fakeNode {
	return &fakeNode{phrases: make(map[string]bool), sessions: make(map[string]bool)}
}

func reply(w http.ResponseWriter, status string, data any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	fmt.Fprintf(w, `{"status":%q,"data":`, status)
	json.NewEncoder(w).Encode(data)
	fmt.Fprint(w, "}")
}

func (f *fakeNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "GET /flux/version", "GET /daemon/getinfo":
		reply(w, "success", "8.17.0")
	case "GET /id/loginphrase":
		f.issued++
		phrase := fmt.Sprintf("%056d", f.issued)
		f.phrases[phrase] = true
		reply(w, "success", phrase)
	case "POST /id/verifylogin":
		var c claim
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil || !f.phrases[c.Phrase] || wallet.Verify(c.FluxID, c.Phrase, c.Signature) != nil {
			reply(w, "error", "no login")
			return
		}
		delete(f.phrases, c.Phrase)
		f.sessions[c.header()] = true
		reply(w, "success", c)
	case "GET /id/loggedsessions":
		if !f.sessions["zelidauth: "+r.Header.Get("zelidauth")] {
			reply(w, "error", "no session")
			return
		}
		reply(w, "success", []string{})
	default:
		http.NotFound(w, r)
	}
}

func (f *fakeNode) readiness(w http.ResponseWriter, _ *http.Request) {
	if f.asked.Add(1) <= notReadyFor {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
	}
}

// serveFake is a fluxosd with the arguments that a run gives it.
func serveFake(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	set := make(map[string]string)
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	demo := flags.Bool("demo", false, "")
	flags.Func("set", "", func(kv string) error {
		k, v, _ := strings.Cut(kv, "=")
		set[k] = v
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if tls, given := set["api.tls_listen"]; !*demo || !given || tls != "" || set["node.data_dir"] == "" || !strings.HasPrefix(set["store.uri"], "sqlite:/") {
		return fmt.Errorf("unexpected arguments %q", args)
	}
	node := newFakeNode()
	api := &http.Server{Handler: node}
	private := &http.Server{Handler: http.HandlerFunc(node.readiness)}
	for srv, addr := range map[*http.Server]string{api: set["api.listen"], private: set["api.private_listen"]} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return err
		}
		go srv.Serve(l)
	}
	<-ctx.Done()
	return errors.Join(api.Close(), private.Close())
}
