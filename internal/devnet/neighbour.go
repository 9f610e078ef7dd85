package devnet

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// neighbourTime bounds a neighbour's look at a node.
const neighbourTime = 5 * time.Second

// NeighbourConfig describes another node of the devnet.
type NeighbourConfig struct {
	// Resolve returns where the node at ip:port really listens, as host:port;
	// "" for nowhere.
	Resolve func(ip, port string) string
}

// Neighbour is another node of the devnet, as far as nodes ask one another
// whether they are reachable: it answers /flux/version and
// /flux/checkfluxavailability, the latter by a real call of the node.
type Neighbour struct {
	resolve func(ip, port string) string
	client  *http.Client
	blind   atomic.Bool
	mux     *http.ServeMux
}

// NewNeighbour returns an http.Handler.
func NewNeighbour(cfg NeighbourConfig) *Neighbour {
	n := &Neighbour{resolve: cfg.Resolve, client: &http.Client{Timeout: neighbourTime, Transport: &http.Transport{DisableKeepAlives: true}}, mux: http.NewServeMux()}
	n.mux.HandleFunc("GET /flux/version", func(w http.ResponseWriter, _ *http.Request) { writeEnvelope(w, "success", "8.17.0") })
	n.mux.HandleFunc("GET /flux/checkfluxavailability", n.check)
	return n
}

// Blind makes the neighbour see no node any more, as if a firewall were between.
func (n *Neighbour) Blind(on bool) { n.blind.Store(on) }

// ServeHTTP implements http.Handler.
func (n *Neighbour) ServeHTTP(w http.ResponseWriter, r *http.Request) { n.mux.ServeHTTP(w, r) }

func (n *Neighbour) check(w http.ResponseWriter, r *http.Request) {
	type message struct {
		Message string `json:"message"`
	}
	ip, port := r.URL.Query().Get("ip"), r.URL.Query().Get("port")
	if ip == "" {
		writeEnvelope(w, "error", message{"No ip specified."})
		return
	}
	if n.blind.Load() || !n.sees(r, n.resolve(ip, port)) {
		writeEnvelope(w, "error", message{"Asking Flux is not available"})
		return
	}
	writeEnvelope(w, "success", message{"Asking Flux is available"})
}

func (n *Neighbour) sees(r *http.Request, address string) bool {
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://"+address+"/flux/version", nil)
	if err != nil {
		return false
	}
	res, err := n.client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	var env struct{ Status string }
	return json.NewDecoder(http.MaxBytesReader(nil, res.Body, 4096)).Decode(&env) == nil && env.Status == "success"
}

func writeEnvelope(w http.ResponseWriter, status string, data any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	raw, err := json.Marshal(map[string]any{"status": status, "data": data})
	if err != nil {
		http.Error(w, fmt.Sprint(err), http.StatusInternalServerError)
		return
	}
	w.Write(raw)
}
