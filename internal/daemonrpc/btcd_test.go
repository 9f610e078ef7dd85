package daemonrpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/secret"
)

// call makes a call that must succeed and decodes its result.
func call[T any](t *testing.T, c *Client, method string, params ...any) T {
	t.Helper()
	raw, err := c.CallFresh(t.Context(), method, params)
	if err != nil {
		t.Fatalf("%s%v: %v", method, params, err)
	}
	var result T
	if err := json.Unmarshal(raw, &result); err != nil {
		t.Fatalf("%s%v: %s: %v", method, params, raw, err)
	}
	return result
}

func TestAgainstBtcd(t *testing.T) {
	d := startBtcd(t)
	c := newClient(t, d.config())

	t.Run("errors have the daemon's numbers and text", func(t *testing.T) { btcdRefusals(t, c) })
	hashes := mine(t, c, 110) // a coinbase may be spent after 100 blocks
	t.Run("reads", func(t *testing.T) { btcdReads(t, c, hashes) })
	t.Run("a transaction from making to mining", func(t *testing.T) { btcdTransaction(t, c, hashes[0]) })
	t.Run("answers serve for a while and fresh ones do not", func(t *testing.T) {
		before, err := c.Call(t.Context(), "getblockcount", nil)
		if err != nil {
			t.Fatal(err)
		}
		mine(t, c, 1)
		if got, err := c.Call(t.Context(), "getblockcount", nil); err != nil || string(got) != string(before) {
			t.Errorf("kept answer: %s, %v, want %s", got, err, before)
		}
		if got := call[int](t, c, "getblockcount"); fmt.Sprint(got) == string(before) {
			t.Errorf("fresh answer is still %d", got)
		}
	})
	t.Run("deep blocks are kept for an hour, shallow ones for seconds", func(t *testing.T) {
		clock := newClock()
		requests := 0
		cfg := d.config()
		cfg.Now, cfg.Observe = clock.now, func(string, time.Duration, error) { requests++ }
		c := newClient(t, cfg)
		for range 3 {
			for _, hash := range []string{hashes[0], hashes[109]} {
				if _, err := c.Call(t.Context(), "getblock", []any{hash, 1}); err != nil {
					t.Fatal(err)
				}
			}
			clock.advance(time.Minute)
		}
		if requests != 1+3 {
			t.Errorf("%d requests, want one for the deep block and three for the other", requests)
		}
	})
	t.Run("many callers", func(t *testing.T) { btcdConcurrency(t, d, hashes) })
	t.Run("wrong password", func(t *testing.T) {
		cfg := d.config()
		cfg.Password = secret.New("wrong")
		_, err := newClient(t, cfg).Call(t.Context(), "getinfo", nil)
		code, _, message := Envelope(err)
		if code != 500 || message != "401 Unauthorized." || Classify(err) != StateUnauthorised {
			t.Errorf("%v, %q, %v", code, message, Classify(err))
		}
	})
}

func btcdRefusals(t *testing.T, c *Client) {
	tests := []struct {
		method string
		params []any
		code   int
		text   string
	}{
		{"getblock", []any{strings.Repeat("0", 64)}, -5, "Block not found"},
		{"getrawtransaction", []any{strings.Repeat("0", 64)}, -5, "No information available about transaction"},
		{"getbalance", nil, -1, "wallet"},
		{"getaddressbalance", []any{map[string]any{"addresses": []string{minerAddress}}}, -32601, "Method not found"},
		{"sendrawtransaction", []any{"00"}, -22, "TX decode failed"},
		{"getblockhash", []any{1 << 30}, -1, "out of range"},
		{"getblock", nil, -32602, "wrong number of params"},
	}
	for _, tt := range tests {
		_, err := c.Call(t.Context(), tt.method, tt.params)
		rpc, ok := errors.AsType[*RPCError](err)
		if !ok || rpc.Code != tt.code || !strings.Contains(rpc.Message, tt.text) {
			t.Errorf("%s%v: %v, want %d %q", tt.method, tt.params, err, tt.code, tt.text)
		}
		if Classify(err) != StateOK {
			t.Errorf("%s: state %v, want ok", tt.method, Classify(err))
		}
	}
}

func btcdReads(t *testing.T, c *Client, hashes []string) {
	if got := call[int](t, c, "getblockcount"); got != len(hashes) {
		t.Errorf("height %d, want %d", got, len(hashes))
	}
	if got := call[string](t, c, "getblockhash", 5); got != hashes[4] {
		t.Errorf("hash at 5 is %s, want %s", got, hashes[4])
	}
	if got := call[string](t, c, "getbestblockhash"); got != hashes[len(hashes)-1] {
		t.Errorf("best hash %s, want %s", got, hashes[len(hashes)-1])
	}
	type block struct {
		Hash          string
		Confirmations int
		Height        int
		Tx            []string
	}
	if got := call[block](t, c, "getblock", hashes[0], 1); got.Height != 1 || got.Confirmations != len(hashes) || len(got.Tx) != 1 {
		t.Errorf("block 1: %+v", got)
	}
	if got := call[string](t, c, "getblock", hashes[0], 0); len(got) < 2*80 {
		t.Errorf("serialised block 1 is %q", got)
	}
	type validity struct{ IsValid bool }
	if !call[validity](t, c, "validateaddress", minerAddress).IsValid || call[validity](t, c, "validateaddress", "x").IsValid {
		t.Error("addresses are judged wrongly")
	}
	if got := call[struct{ P2SH string }](t, c, "decodescript", "51"); got.P2SH != minerAddress {
		t.Errorf("address of OP_TRUE is %s", got.P2SH)
	}
	if got := call[string](t, c, "help", "getblockcount"); !strings.Contains(got, "getblockcount") {
		t.Errorf("help text %q", got)
	}
	if got := call[struct{ Blocks int }](t, c, "getinfo"); got.Blocks != len(hashes) {
		t.Errorf("info says %d blocks", got.Blocks)
	}
}

func btcdTransaction(t *testing.T, c *Client, minedIn string) {
	block := call[struct{ Tx []string }](t, c, "getblock", minedIn, 1)
	coinbase := block.Tx[0]

	// The same way a request to the API goes: parameters, then the call.
	e := endpoint(t, "GET /daemon/createrawtransaction")
	request := inQuery(map[string]any{
		"transactions": fmt.Sprintf(`[{"txid":%q,"vout":0}]`, coinbase),
		"addresses":    fmt.Sprintf(`{%q:49.99990000}`, minerAddress),
		"expiryheight": "0",
	})
	params, err := e.Params(t.Context(), request.lookup, heightUnused(t))
	if err != nil {
		t.Fatal(err)
	}
	unsigned := call[string](t, c, "createrawtransaction", params[:3]...) // Bitcoin has no expiry

	// Show the script: version, input count and outpoint are 41 bytes; then
	// comes the input script, empty so far.
	const outpointEnd = 2 * 41
	signed := unsigned[:outpointEnd] + "020151" + unsigned[outpointEnd+2:]
	type transaction struct {
		Txid string
		Vout []struct{ Value json.Number }
	}
	decoded := call[transaction](t, c, "decoderawtransaction", signed)
	if len(decoded.Vout) != 1 || decoded.Vout[0].Value != "49.9999" {
		t.Errorf("decoded: %+v", decoded)
	}

	txid := call[string](t, c, "sendrawtransaction", signed, false)
	if txid != decoded.Txid {
		t.Errorf("sent %s, want %s", txid, decoded.Txid)
	}
	if _, err := c.Call(t.Context(), "sendrawtransaction", []any{signed, false}); err == nil {
		t.Error("the daemon was not asked again: sending twice succeeded twice")
	}
	if pool := call[[]string](t, c, "getrawmempool"); len(pool) != 1 || pool[0] != txid {
		t.Errorf("memory pool %v", pool)
	}
	mine(t, c, 1)
	if got := call[string](t, c, "getrawtransaction", txid, 0); got != signed {
		t.Errorf("mined transaction %s, want %s", got, signed)
	}
	if got := call[struct{ Confirmations int }](t, c, "getrawtransaction", txid, 1); got.Confirmations != 1 {
		t.Errorf("%d confirmations, want 1", got.Confirmations)
	}
}

func btcdConcurrency(t *testing.T, d *btcd, hashes []string) {
	var mu sync.Mutex
	requests := 0
	cfg := d.config()
	cfg.Concurrency = 3
	cfg.Observe = func(string, time.Duration, error) { mu.Lock(); requests++; mu.Unlock() }
	c := newClient(t, cfg)
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			height := i % 20
			raw, err := c.Call(t.Context(), "getblockhash", []any{height + 1})
			if err != nil || string(raw) != fmt.Sprintf("%q", hashes[height]) {
				t.Errorf("hash at %d: %s, %v", height+1, raw, err)
			}
		})
	}
	wg.Wait()
	if requests != 20 {
		t.Errorf("%d requests for 20 different calls", requests)
	}
}

func TestBtcdDiesAndComesBack(t *testing.T) {
	d := startBtcd(t)
	r := startRelay(t, d.addr)
	cfg := d.config()
	direct := newClient(t, cfg)
	mine(t, direct, 3)

	cfg.URL = "http://" + r.listener.Addr().String()
	c := newClient(t, cfg)
	// Stopped, the daemon takes the request and does not answer. Then it dies.
	if err := d.process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := c.Call(t.Context(), "getblockcount", nil)
		ended <- err
	}()
	<-r.sent
	d.kill()
	err := <-ended
	if code, _, message := Envelope(err); code != "ECONNRESET" || message != "socket hang up" || Classify(err) != StateDown {
		t.Errorf("killed in a call: %v, %q (%v)", code, message, err)
	}
	_, err = direct.Call(t.Context(), "getinfo", nil)
	if code, _, message := Envelope(err); code != "ECONNREFUSED" || message != "connect ECONNREFUSED "+d.addr {
		t.Errorf("after its death: %v, %q", code, message)
	}
	d.start(t)
	for _, method := range []string{"getblockcount", "getinfo"} { // the clients made before its death still work
		if _, err := direct.Call(t.Context(), method, nil); err != nil {
			t.Errorf("%s after the restart: %v", method, err)
		}
	}
	before := call[int](t, direct, "getblockcount")
	mine(t, direct, 2)
	if got := call[int](t, direct, "getblockcount"); got != before+2 {
		t.Errorf("height %d two blocks after %d", got, before)
	}
}
