// Package importer makes a configuration of fluxosd from what a FluxOS node
// has: its userconfig.js and the flux.conf of the chain daemon.
//
// Neither file is executed: a userconfig.js that holds more than literals is
// refused with line and column. Nothing is lost in silence: every member that
// can't be carried over is reported, without its value where that is a secret.
// The package reads bytes and returns bytes; files are its caller's business.
package importer

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/fluxosd/fluxosd/internal/config"
)

// Input is what Import reads. UserConfig or DaemonConf must be there.
type Input struct {
	UserConfig []byte // userconfig.js of FluxOS
	DaemonConf []byte // flux.conf (older: zelcash.conf)
	// DaemonConfPath is where DaemonConf was found. If given, the result refers
	// to the file instead of repeating its credentials.
	DaemonConfPath string
}

// maxInput bounds each of the two files, in bytes.
const maxInput = 1 << 20

const head = `Configuration of fluxosd, made from the settings of a FluxOS node.
Keys that are missing here have their defaults: fluxosd config sample.
This file may hold secrets: keep it readable by its owner only, chmod 0600.`

// Import returns a configuration file and a report: one line for each value
// that was taken over, changed or left out, in the order of the input. The
// file holds secrets in plain text, so write it with mode 0600. A
// userconfig.js that can't be read is an error that wraps a *SyntaxError.
func Import(in Input) (yaml []byte, report []string, err error) {
	if len(in.UserConfig) == 0 && len(in.DaemonConf) == 0 {
		return nil, nil, errors.New("import: want a userconfig.js, a flux.conf, or both")
	}
	if len(in.UserConfig) > maxInput || len(in.DaemonConf) > maxInput {
		return nil, nil, fmt.Errorf("import: a file is larger than %d bytes", maxInput)
	}
	im := &importing{}
	if len(in.UserConfig) > 0 {
		if err := im.userConfig(in.UserConfig); err != nil {
			return nil, nil, fmt.Errorf("import userconfig.js: %w", err)
		}
	}
	if len(in.DaemonConf) > 0 {
		if err := im.daemonConf(in.DaemonConf, in.DaemonConfPath, len(in.UserConfig) > 0); err != nil {
			return nil, nil, fmt.Errorf("import flux.conf: %w", err)
		}
	}
	if !im.has("node.flux_id") {
		im.say("node.flux_id: the owner's Flux ID isn't in the input; add it, fluxosd doesn't start without")
	}
	yaml, problems := config.File(head, im.settings)
	for _, p := range problems { // every setting was tried before
		im.say("%s", p)
	}
	return yaml, im.report, nil
}

type importing struct {
	settings []config.Setting
	report   []string
}

func (im *importing) say(format string, args ...any) {
	im.report = append(im.report, fmt.Sprintf(format, args...))
}

func (im *importing) has(key string) bool {
	return slices.ContainsFunc(im.settings, func(s config.Setting) bool { return s.Key == key })
}

// take adds a setting if fluxosd accepts it, and reports it either way.
func (im *importing) take(from, key, value string) {
	if problem := refused(key, value); problem != "" {
		im.say("%s: left out: %s", from, problem)
		return
	}
	im.say("%s: taken over as %s", from, key)
	im.settings = append(im.settings, config.Setting{Key: key, Value: value, Note: "from " + from})
}

// refused returns why fluxosd doesn't accept a value, or "".
func refused(key, value string) string {
	_, problems := config.File("", []config.Setting{{Key: key, Value: value}})
	if len(problems) == 0 {
		return ""
	}
	problems[0].Source, problems[0].Example = "", ""
	return problems[0].String()
}

// userConfig reads the member initial of the exported object.
func (im *importing) userConfig(src []byte) error {
	top, err := parseModule(string(src))
	if err != nil {
		return err
	}
	found := false
	for i, m := range top {
		switch initial, ok := m.value.(object); {
		case m.name != "initial":
			im.say("%s: fluxosd has no such setting; left out", shortName(m.name))
		case !ok:
			return &SyntaxError{m.pos.line, m.pos.column, "want an object as the value of initial"}
		case overridden(top, i):
			im.say("initial: stands there twice; the last one counts")
		default:
			found = true
			im.initial(initial)
		}
	}
	if !found {
		return errors.New("has no member initial, want module.exports = {initial: {…}}")
	}
	return nil
}

// overridden reports whether a later member has the same name: in JavaScript
// the last one counts.
func overridden(o object, i int) bool {
	return slices.ContainsFunc(o[i+1:], func(m member) bool { return m.name == o[i].name })
}

func (im *importing) initial(o object) {
	for i, m := range o {
		from := "initial." + shortName(m.name)
		if overridden(o, i) {
			im.say("%s: stands there twice; the last one counts", from)
			continue
		}
		switch m.name {
		case "ipaddress":
			im.address(from, m.value)
		case "zelid":
			im.text(from, "node.flux_id", m.value)
		case "kadena":
			im.text(from, "node.kadena", m.value)
		case "routerIP":
			im.text(from, "node.router_ip", m.value)
		case "pgpPrivateKey":
			im.text(from, "node.pgp_private_key", m.value)
		case "pgpPublicKey":
			im.text(from, "node.pgp_public_key", m.value)
		case "testnet":
			im.flag(from, "node.testnet", m.value)
		case "development":
			im.flag(from, "node.development", m.value)
		case "apiport":
			im.apiPort(from, m.value)
		case "blockedPorts":
			im.items(from, "node.blocked_ports", m.value)
		case "blockedRepositories":
			im.items(from, "node.blocked_repositories", m.value)
		default:
			im.say("%s: fluxosd has no such setting; left out", from)
		}
	}
}

// maxName bounds how much of a member's name a report repeats, in bytes.
const maxName = 60

func shortName(name string) string {
	if len(name) > maxName {
		name = name[:maxName] + "…"
	}
	if q := strconv.Quote(name); q != `"`+name+`"` || name == "" {
		return q
	}
	return name
}

// scalarText returns a string or number as text, and whether it was one.
// null counts as the empty text.
func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return strings.TrimSpace(v), true
	case number:
		return string(v), true
	}
	return "", false
}

// text takes over a string; an empty one is the default and not mentioned.
func (im *importing) text(from, key string, v any) {
	s, ok := scalarText(v)
	switch {
	case !ok:
		im.say("%s: left out: want a string", from)
	case s != "":
		im.take(from, key, s)
	}
}

// flag takes over true; false is the default of every flag that is imported.
func (im *importing) flag(from, key string, v any) {
	switch v {
	case true, "true":
		im.take(from, key, "true")
	case false, "false", nil, "":
	default:
		im.say("%s: left out: want true or false", from)
	}
}

// address takes over an IP address, which FluxOS may keep with the API port.
func (im *importing) address(from string, v any) {
	if s, ok := v.(string); ok {
		if ap, err := netip.ParseAddrPort(strings.TrimSpace(s)); err == nil {
			im.say("%s: the port %d isn't part of node.public_ip; api.listen decides it", from, ap.Port())
			v = ap.Addr().String()
		}
	}
	im.text(from, "node.public_ip", v)
}

// apiPort takes over the port of the HTTP API; TLS is served on the next one.
func (im *importing) apiPort(from string, v any) {
	s, ok := scalarText(v)
	if ok && s == "" {
		return
	}
	port, err := strconv.Atoi(s)
	if !ok || err != nil || port < 1 || port > 65534 {
		im.say("%s: left out: want a port from 1 to 65534", from)
		return
	}
	im.take(from, "api.listen", ":"+strconv.Itoa(port))
	im.take(from, "api.tls_listen", ":"+strconv.Itoa(port+1))
}

// items takes over a list and leaves out what fluxosd doesn't accept of it.
func (im *importing) items(from, key string, v any) {
	list, ok := v.([]any)
	if !ok {
		if v != nil {
			im.say("%s: left out: want a list", from)
		}
		return
	}
	var kept []string
	for i, item := range list {
		at := fmt.Sprintf("%s[%d]", from, i)
		s, ok := scalarText(item)
		switch problem := refused(key, s); {
		case !ok || s == "":
			im.say("%s: left out: want a number or a string", at)
		case strings.Contains(s, ","):
			im.say("%s: left out: has a comma in it", at)
		case problem != "":
			im.say("%s: left out: %s", at, problem)
		default:
			kept = append(kept, s)
		}
	}
	if len(kept) > 0 {
		im.take(from, key, strings.Join(kept, ","))
	}
}

// nodeKeys are settings of flux.conf that identify the node. They stay there:
// fluxosd reads them from the file.
var nodeKeys = []string{"zelnode", "zelnodeprivkey", "zelnodeoutpoint", "zelnodeindex", "fluxnode", "fluxnodeprivkey"}

// daemonConf reads the lines key=value of a flux.conf. The first of several
// values counts, as for the daemon; lines in a section ([test]) belong to
// another network and are left alone.
func (im *importing) daemonConf(src []byte, path string, afterUserConfig bool) error {
	values := map[string]string{}
	var stay []string
	others := 0
	lines := bufio.NewScanner(bytes.NewReader(src))
	lines.Buffer(nil, maxInput+1)
	for lines.Scan() {
		line := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if strings.HasPrefix(line, "[") {
			im.say("flux.conf: the section %s and what follows is left out", shortName(line))
			break
		}
		key, value, ok := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" || strings.HasPrefix(key, "#") {
			continue
		}
		_, again := values[key]
		switch {
		case again || slices.Contains(stay, key):
		case slices.Contains(nodeKeys, key):
			stay = append(stay, key)
		case key == "rpcuser" || key == "rpcpassword" || key == "rpcport" || key == "testnet":
			values[key] = value
		default:
			others++
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	im.network(values["testnet"] == "1", afterUserConfig)
	im.daemon(values, path)
	if len(stay) > 0 {
		im.say("flux.conf: %s: not copied; set daemon.conf so that fluxosd finds them", strings.Join(stay, ", "))
	}
	if others > 0 {
		im.say("flux.conf: %d other settings are the daemon's own", others)
	}
	return nil
}

// network takes over the daemon's network, unless userconfig.js has decided.
func (im *importing) network(testnet, decided bool) {
	switch {
	case decided && testnet != im.has("node.testnet"):
		im.say("flux.conf: testnet disagrees with initial.testnet of userconfig.js, which counts")
	case !decided && testnet:
		im.take("flux.conf testnet", "node.testnet", "true")
	}
}

// daemon takes over what fluxosd needs to reach the daemon.
func (im *importing) daemon(values map[string]string, path string) {
	if path != "" {
		im.take("the place of flux.conf", "daemon.conf", path)
		return
	}
	if port := values["rpcport"]; port != "" {
		im.take("flux.conf rpcport", "daemon.url", "http://127.0.0.1:"+port)
	}
	if user := values["rpcuser"]; user != "" {
		im.take("flux.conf rpcuser", "daemon.user", user)
	}
	if password := values["rpcpassword"]; password != "" {
		if !im.has("daemon.user") {
			im.say("flux.conf: rpcpassword is left out: there is no rpcuser")
			return
		}
		im.take("flux.conf rpcpassword", "daemon.password", password)
	}
}
