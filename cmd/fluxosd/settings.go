package main

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/fluxosd/fluxosd/internal/config"
	"github.com/fluxosd/fluxosd/internal/store/mongo"
)

// defaultConfig is where the package puts the configuration.
const defaultConfig = "/etc/fluxosd/config.yaml"

// settings are the flags of every command that reads the configuration.
type settings struct {
	file string
	sets list
	demo bool
}

func (s *settings) register(fs *flag.FlagSet) {
	fs.StringVar(&s.file, "config", "", "configuration `file` (default "+defaultConfig+", or FLUXOSD_CONFIG)")
	fs.Var(&s.sets, "set", "set one `key=value` over file and environment; may be repeated")
}

// load reads the configuration. A file that somebody named must exist; the
// default one may be missing.
func (p *process) load(s settings) (*config.Config, error) {
	required := s.file != "" || p.getenv("FLUXOSD_CONFIG") != ""
	return config.Load(config.Options{File: p.configFile(s), FileRequired: required, Env: p.env, Flags: s.sets, Demo: s.demo, CheckMongoDB: mongo.Check})
}

// configFile is the path of the configuration file, "" for none.
func (p *process) configFile(s settings) string {
	switch {
	case s.file != "":
		return s.file
	case p.getenv("FLUXOSD_CONFIG") != "":
		return p.getenv("FLUXOSD_CONFIG")
	case s.demo:
		return ""
	}
	return defaultConfig
}

// config carries out config check and config sample.
func (p *process) config(_ context.Context, args []string) error {
	verb := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		verb, args = args[0], args[1:]
	}
	fs := p.flags("config " + verb)
	var s settings
	s.register(fs)
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	switch verb {
	case "sample":
		fmt.Fprint(p.out, config.Sample())
		return nil
	case "check":
		cfg, err := p.load(s)
		if err != nil {
			return err
		}
		fmt.Fprint(p.out, cfg.YAML())
		for _, w := range cfg.Warnings() {
			fmt.Fprintln(p.err, "warning:", w)
		}
		return nil
	}
	return usagef("config wants check or sample, not %q", verb)
}
