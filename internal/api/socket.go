package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/gorilla/websocket"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/logattr"
)

// SocketHandler serves one WebSocket until it returns. ctx ends when the client
// leaves or the daemon stops.
type SocketHandler func(ctx context.Context, r *Request, sock *Conn)

// Bounds of open sockets, in all and for one address.
const (
	maxSockets           = 4096
	maxSocketsPerAddress = 64
)

// Times and sizes of a socket that only the server sends on.
const (
	socketWrite = 10 * time.Second
	socketPing  = 30 * time.Second
	socketRead  = 1 << 10 // bytes of a client's frame; none is expected
)

// Codes with which sockets are closed (RFC 6455, section 7.4.2: private use).
const (
	closeLogin       = 4012
	closeLoginStore  = 4011
	closePhraseStore = 4013
	closeSign        = 4015
	closeSignStore   = 4014
	closeNormal      = websocket.CloseNormalClosure
	closeGoingAway   = websocket.CloseGoingAway
)

var upgrader = websocket.Upgrader{
	HandshakeTimeout: 10 * time.Second, ReadBufferSize: 1 << 10, WriteBufferSize: 4 << 10,
	// Any page may open a socket: nothing on it depends on cookies.
	CheckOrigin: func(*http.Request) bool { return true },
	Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
		body, _ := encode(statusError, Message{Name: "Error", Message: reason.Error()}) // text always encodes
		w.Header()["Content-Type"] = jsonType
		w.WriteHeader(status)
		send(w, body, sizeOf(body))
	},
}

// socketCounter counts open sockets by address.
type socketCounter struct {
	mu    sync.Mutex
	all   int
	peers map[netip.Addr]int
}

// enter takes a place, or answers false when there is none. Addresses that are
// exempt from limits, such as a proxy on this machine, share the places of all.
func (k *socketCounter) enter(a netip.Addr, exempt bool) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all >= maxSockets || (!exempt && k.peers[a] >= maxSocketsPerAddress) {
		return false
	}
	if k.peers == nil {
		k.peers = make(map[netip.Addr]int)
	}
	k.all++
	k.peers[a]++
	return true
}

func (k *socketCounter) leave(a netip.Addr) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all--
	if k.peers[a]--; k.peers[a] == 0 {
		delete(k.peers, a)
	}
}

// Conn is an open WebSocket. Methods must be called by one goroutine.
type Conn struct{ ws *websocket.Conn }

// Send writes one envelope twice: as JSON, then as the query string that
// today's web interface parses.
func (k *Conn) Send(status string, data any) error {
	body, err := encode(status, data)
	if err != nil {
		return err
	}
	var flat struct {
		Data json.RawMessage `json:"data"`
	}
	text := bytes.Join(body, nil)
	if err := json.Unmarshal(text, &flat); err != nil {
		return err
	}
	for _, frame := range []string{string(text), queryFrame(status, flat.Data)} {
		k.ws.SetWriteDeadline(time.Now().Add(socketWrite))
		if err := k.ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the socket with a code and a short reason.
func (k *Conn) Close(code int, reason string) {
	k.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(socketWrite))
}

// queryFrame writes status=…&data[key]=… in the order of the object's members.
func queryFrame(status string, data json.RawMessage) string {
	var b strings.Builder
	b.WriteString("status=" + status)
	dec := json.NewDecoder(strings.NewReader(string(data)))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return b.String()
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			break
		}
		var v any
		if dec.Decode(&v) != nil {
			break
		}
		if s, ok := v.(string); ok {
			b.WriteString("&data%5B" + escapeFrame(key.(string)) + "%5D=" + escapeFrame(s))
		}
	}
	return b.String()
}

func escapeFrame(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// attach upgrades the connection and runs the row's handler.
func (s *Server) attach(c *gin.Context, cl *call, req *Request) {
	from := network(cl.remote)
	if !s.open.enter(from, s.limits.spared(cl.remote)) {
		s.fail(c, cl, &fault.Error{Kind: fault.TooMany, Code: 429, Name: "TooManyRequests", Msg: "Too many open sockets"})
		return
	}
	defer s.open.leave(from)
	ws, err := upgrader.Upgrade(c.Writer, c.Request, nil)
	if err != nil {
		cl.status, cl.outcome = http.StatusBadRequest, fault.Invalid.String()
		c.Abort()
		return
	}
	s.metrics.Sockets.Inc()
	defer s.metrics.Sockets.Dec()
	cl.status, cl.outcome = http.StatusSwitchingProtocols, statusSuccess
	ctx, cancel := context.WithCancel(s.life)
	defer cancel()
	var reader sync.WaitGroup
	defer reader.Wait()
	defer ws.Close() // ends listen
	reader.Go(func() {
		defer cancel() // the client left
		listen(ws)
	})
	cl.route.Attach(ctx, req, &Conn{ws})
	c.Abort()
	s.log.Debug("Socket closed", logattr.Request(cl.id), logattr.Route(cl.pattern()))
}

// listen reads until the client leaves: pongs keep the socket open, frames of
// its own are not expected and dropped.
func listen(ws *websocket.Conn) {
	ws.SetReadLimit(socketRead)
	alive := func(string) error { return ws.SetReadDeadline(time.Now().Add(2 * socketPing)) }
	alive("")
	ws.SetPongHandler(alive)
	for {
		if _, _, err := ws.ReadMessage(); err != nil {
			return
		}
	}
}

// Ping asks the client for a sign of life.
func (k *Conn) Ping() error {
	return k.ws.WriteControl(websocket.PingMessage, nil, time.Now().Add(socketWrite))
}
