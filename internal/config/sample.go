package config

import (
	"strings"
	"unicode/utf8"
)

const sampleHead = `Configuration of fluxosd.

Every key is here with its default, commented out: remove the # to change it.
The same keys can be set by variables, FLUXOSD_ and the path in upper case
(api.listen is FLUXOSD_API_LISTEN; lists are separated by commas), and by
--set api.listen=:16137. A flag wins over a variable, a variable over this file.

Check a change with: fluxosd config check
A file with secrets in it should be readable by its owner only: chmod 0600`

// Sample returns the commented sample file: every key with its default, a
// sentence and an example. All keys are commented out, so that loading it sets
// none.
func Sample() string {
	return document(sampleHead, func(k keySpec) (string, string) {
		c := &Config{}
		b := k.bind(c)
		if err := b.set(flat(k.def)); err != nil {
			return "", ""
		}
		return "#", b.show()
	}, true)
}

// YAML returns the effective configuration as a file, secrets masked, each key
// with the place that set it.
func (c *Config) YAML() string {
	return document("", func(k keySpec) (string, string) {
		source := c.sources[k.path]
		if source == "" {
			source = "default"
		}
		return "", k.bind(c).show() + " # " + oneLine(source)
	}, false)
}

// oneLine keeps a source, which names a file, from ending its comment.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return '?'
		}
		return r
	}, text)
}

// Setting is a key for File, with its value as in the environment.
type Setting struct {
	Key, Value string
	// Note is a sentence for the file; "" for none.
	Note string
}

// File returns a configuration file, beginning with the comment head, that
// sets the given keys. Secrets in it are in plain text. Settings that Load
// would refuse are left out and returned as problems.
func File(head string, settings []Setting) ([]byte, []Problem) {
	byKey := map[string]Setting{}
	l := loader{cfg: &Config{sources: map[string]string{}}}
	l.bind()
	for _, s := range settings {
		if _, known := l.bindings[s.Key]; !known {
			l.problems = append(l.problems, unknownKey(s.Key, ""))
			continue
		}
		if !utf8.ValidString(s.Value) {
			l.problems = append(l.problems, Problem{Key: s.Key, Reason: "isn't UTF-8, which a YAML file has to be"})
			continue
		}
		l.set(s.Key, flat(s.Value), "import")
		if !l.bad[s.Key] {
			byKey[s.Key] = s
		}
	}
	text := document(head, func(k keySpec) (string, string) {
		s, ok := byKey[k.path]
		if !ok {
			return "", ""
		}
		value := l.bindings[k.path].show()
		if k.secret {
			value = quote(s.Value)
		}
		if s.Note != "" {
			value += " # " + oneLine(s.Note)
		}
		return "", value
	}, false)
	return []byte(text), l.problems
}

// document writes the table as YAML. value returns what stands before a key
// (a comment sign, or nothing) and its value; keys without a value and
// sections without keys are left out.
func document(head string, value func(keySpec) (prefix, text string), documented bool) string {
	var b strings.Builder
	comment := func(indent int, text string) {
		for line := range strings.SplitSeq(text, "\n") {
			b.WriteString(strings.TrimRight(strings.Repeat(" ", indent)+"# "+line, " ") + "\n")
		}
	}
	if head != "" {
		comment(0, head)
	}
	for _, s := range sections {
		parts := strings.Split(s.path, ".")
		indent := 2 * (len(parts) - 1)
		begun := false
		for _, k := range keys {
			name, ok := strings.CutPrefix(k.path, s.path+".")
			if !ok || strings.Contains(name, ".") {
				continue
			}
			prefix, text := value(k)
			if text == "" {
				continue
			}
			if !begun {
				begun = true
				if b.Len() > 0 {
					b.WriteByte('\n')
				}
				if documented {
					comment(indent, s.doc)
				}
				b.WriteString(strings.Repeat(" ", indent) + parts[len(parts)-1] + ":\n")
			}
			if documented {
				doc := k.doc
				if k.example != text {
					doc += " For example " + k.example + "."
				}
				comment(indent+2, doc)
			}
			b.WriteString(strings.Repeat(" ", indent+2) + prefix + name + ": " + text + "\n")
		}
	}
	return b.String()
}
