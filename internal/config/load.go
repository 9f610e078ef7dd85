package config

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
)

// loader applies the sources to a Config one after the other and collects
// what is wrong with each.
type loader struct {
	cfg      *Config
	bindings map[string]binding
	problems []Problem
	bad      map[string]bool // keys with a problem: rules between keys leave them alone
}

func (l *loader) bind() {
	l.bindings = make(map[string]binding, len(keys))
	l.bad = map[string]bool{}
	for _, k := range keys {
		l.bindings[k.path] = k.bind(l.cfg)
	}
}

func (l *loader) defaults() {
	for _, k := range keys {
		l.set(k.path, flat(k.def), "default")
	}
	clear(l.cfg.sources)
}

// set assigns a known key and remembers the source, even of a bad value.
func (l *loader) set(path string, r raw, source string) {
	if source != "default" {
		l.cfg.sources[path] = source
	}
	err := l.bindings[path].set(r)
	if err == nil {
		return
	}
	l.bad[path] = true
	k := keys[slices.IndexFunc(keys, func(k keySpec) bool { return k.path == path })]
	p := Problem{Key: path, Source: source, Reason: err.Error(), Example: k.example}
	if v, ok := errors.AsType[*valueError](err); ok && v.found != "" && !k.secret {
		p.Found = shown(redactURI(v.found))
	}
	l.problems = append(l.problems, p)
}

// environment applies the FLUXOSD_… variables.
func (l *loader) environment(env []string) {
	var names []string
	paths := map[string]string{}
	for _, k := range keys {
		names = append(names, envName(k.path))
		paths[envName(k.path)] = k.path
	}
	for _, assignment := range env {
		name, value, _ := strings.Cut(assignment, "=")
		if !strings.HasPrefix(name, envPrefix) || name == envPrefix+"CONFIG" || strings.HasPrefix(name, envPrefix+"TEST_") {
			continue
		}
		path, ok := paths[name]
		if !ok {
			l.problems = append(l.problems, Problem{Source: "environment", Reason: "unknown variable " + name + suggestion(name, names)})
			continue
		}
		l.set(path, flat(value), "variable "+name)
	}
}

// flags applies key=value pairs.
func (l *loader) flags(pairs []string) {
	for _, assignment := range pairs {
		path, value, ok := strings.Cut(assignment, "=")
		path = strings.TrimSpace(path)
		_, known := l.bindings[path]
		switch {
		case !ok:
			// The text isn't repeated: it may be a secret.
			l.problems = append(l.problems, Problem{Source: "--set", Reason: "want key=value", Example: "--set api.listen=:16127"})
		case !known && isSection(path):
			l.problems = append(l.problems, Problem{Key: path, Source: "--set", Reason: "is a section: set one of its keys"})
		case !known:
			l.problems = append(l.problems, unknownKey(path, "--set"))
		default:
			l.set(path, flat(value), "--set")
		}
	}
}

// derive renews the defaults that follow from other keys.
func (l *loader) derive() {
	c := l.cfg
	if !c.IsSet("store.uri") && !l.bad[dataDirKey] {
		l.set("store.uri", flat("sqlite:"+filepath.Join(c.Node.DataDir, storeFile)), "default")
	}
	if !c.IsSet("daemon.url") && (c.Daemon.URL == daemonURL || c.Daemon.URL == testnetURL) {
		url := daemonURL
		if c.Node.Testnet {
			url = testnetURL
		}
		l.set("daemon.url", flat(url), "default")
	}
}
