package devnet

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Error codes of the daemon.
const (
	codeMisc          = -1
	codeWallet        = -4
	codeAddress       = -5 // bad address or key, unknown block or transaction
	codeFunds         = -6
	codeParameter     = -8
	codeDecode        = -22
	codeMissingInputs = -25
	codeRejected      = -26
	codeInChain       = -27
	codeWarmUp        = -28
	codeRequest       = -32600
	codeMethod        = -32601
	codeParse         = -32700
)

// maxRequest bounds an RPC request body in bytes; maxBatch its calls.
const (
	maxRequest = 4 << 20
	maxBatch   = 1000
)

// RPCError is an error as the daemon reports it.
type RPCError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *RPCError) Error() string { return e.Message }

// object is a JSON object of an answer. It must not share changing data with
// the chain, since it is written after the lock is released.
type object map[string]any

// amount is satoshi, shown as FLUX with eight decimals.
type amount int64

// MarshalJSON writes a JSON number.
func (a amount) MarshalJSON() ([]byte, error) {
	sign, v := "", int64(a)
	if v < 0 {
		sign, v = "-", -v
	}
	return fmt.Appendf(nil, "%s%d.%08d", sign, v/coin, v%coin), nil
}

// command is one RPC. run is called with the chain's lock held.
type command struct {
	group    string
	args     string // as help shows them
	about    string
	min, max int // number of arguments
	run      func(c *Chain, p params) (any, error)
}

// commandTable lists every command by name.
func commandTable() map[string]*command {
	all := make(map[string]*command)
	for _, group := range []map[string]*command{
		controlCommands(), blockCommands(), chainCommands(), rawCommands(), utilityCommands(), networkCommands(),
		nodeCommands(), walletCommands(), walletHistoryCommands(), spendCommands(), addressCommands(), shieldedCommands(),
	} {
		for name, cmd := range group {
			all[name] = cmd
		}
	}
	return all
}

// alias adds a second name of a command.
func alias(all map[string]*command, name string, others ...string) {
	for _, o := range others {
		all[o] = all[name]
	}
}

// Handler serves the daemon's JSON-RPC: POST with basic authentication, a
// single call or a batch, replies as {result, error, id}. Errors carry HTTP
// 500, an unknown method 404, a malformed call 400; batches always 200.
func (c *Chain) Handler(user, password string) http.Handler {
	return rpcHandler(user, password, c.garbled, c.call)
}

// call runs one command after its delay and faults.
func (c *Chain) call(r *http.Request, method string, args []json.RawMessage) (any, error) {
	delay, fault := c.faults.next(method)
	if delay > 0 {
		t := time.NewTimer(delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if fault != nil {
		return nil, fault
	}
	cmd := c.commands[method]
	if cmd == nil {
		return nil, &RPCError{codeMethod, "Method not found"}
	}
	p := params{args}
	if n := p.count(); n < cmd.min || n > cmd.max {
		return nil, &RPCError{codeMisc, cmd.help(method)}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return cmd.run(c, p)
}

// help is the text of one command, and its answer to wrong arguments.
func (cmd *command) help(name string) string {
	return strings.TrimSpace(name+" "+cmd.args) + "\n\n" + cmd.about + "\n"
}

type rpcRequest struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	ID     json.RawMessage `json:"id"`
}

type rpcReply struct {
	Result any             `json:"result"`
	Error  *RPCError       `json:"error"`
	ID     json.RawMessage `json:"id"`
}

type rpcCall func(r *http.Request, method string, args []json.RawMessage) (any, error)

// rpcHandler is the transport that both daemons share.
func rpcHandler(user, password string, garbled func() bool, call rpcCall) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || !equal(u, user) || !equal(p, password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="jsonrpc"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "JSONRPC server handles only POST requests", http.StatusMethodNotAllowed)
			return
		}
		if garbled() {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, "{\"result\": \x00 not json")
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			http.Error(w, "request body too large", http.StatusRequestEntityTooLarge)
			return
		}
		status, reply := answer(r, body, call)
		text, err := json.Marshal(reply)
		if err != nil {
			http.Error(w, "answer can't be written: "+err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		w.Write(append(text, '\n'))
	})
}

// equal compares secrets in constant time.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// answer handles one call or a batch.
func answer(r *http.Request, body []byte, call rpcCall) (int, any) {
	body = bytes.TrimSpace(body)
	if !json.Valid(body) {
		return http.StatusInternalServerError, rpcReply{Error: &RPCError{codeParse, "Parse error"}}
	}
	switch body[0] {
	case '{':
		return answerOne(r, body, call)
	case '[':
		var batch []json.RawMessage
		if err := json.Unmarshal(body, &batch); err != nil || len(batch) > maxBatch {
			return http.StatusBadRequest, rpcReply{Error: &RPCError{codeRequest, fmt.Sprintf("A batch holds at most %d calls", maxBatch)}}
		}
		replies := make([]any, len(batch))
		for i, one := range batch {
			_, replies[i] = answerOne(r, one, call)
		}
		return http.StatusOK, replies
	}
	return http.StatusInternalServerError, rpcReply{Error: &RPCError{codeParse, "Top-level object parse error"}}
}

func answerOne(r *http.Request, body []byte, call rpcCall) (int, any) {
	var req rpcRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return http.StatusBadRequest, rpcReply{Error: &RPCError{codeRequest, "Invalid Request object"}}
	}
	reply := rpcReply{ID: req.ID}
	var args []json.RawMessage
	if len(req.Params) > 0 && !bytes.Equal(req.Params, []byte("null")) {
		if err := json.Unmarshal(req.Params, &args); err != nil {
			reply.Error = &RPCError{codeRequest, "Params must be an array"}
			return http.StatusBadRequest, reply
		}
	}
	if req.Method == "" {
		reply.Error = &RPCError{codeRequest, "Missing method"}
		return http.StatusBadRequest, reply
	}
	result, err := call(r, req.Method, args)
	if err == nil {
		reply.Result = result
		return http.StatusOK, reply
	}
	if !errors.As(err, &reply.Error) {
		reply.Error = &RPCError{codeMisc, err.Error()}
	}
	switch reply.Error.Code {
	case codeMethod:
		return http.StatusNotFound, reply
	case codeRequest:
		return http.StatusBadRequest, reply
	}
	return http.StatusInternalServerError, reply
}
