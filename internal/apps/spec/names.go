package spec

import (
	"regexp"
	"slices"
	"strings"
)

// oldNames are applications from before the network's present prefix.
var oldNames = map[string]bool{"KadenaChainWebNode": true, "FoldingAtHomeB": true}

// Identifier is the name of a container, its data folder and its volume file,
// for an application or for "<component>_<application>".
func Identifier(name string) string {
	switch {
	case strings.HasPrefix(name, "zel") || strings.HasPrefix(name, "flux"):
		return name
	case oldNames[name]:
		return "zel" + name
	default:
		return "flux" + name
	}
}

// BaseName takes the prefix off an identifier.
func BaseName(identifier string) string {
	if base, ok := strings.CutPrefix(identifier, "flux"); ok {
		return base
	}
	return strings.TrimPrefix(identifier, "zel")
}

// Identifier is that of the i-th component.
func (s *Spec) Identifier(i int) string {
	if s.Version <= 3 {
		return Identifier(s.Name)
	}
	return Identifier(s.Components[i].Name + "_" + s.Name)
}

var (
	linkList = regexp.MustCompile(`(?i)networkWith[:=]\s*\[([^\]]*)\]`)
	linkName = regexp.MustCompile(`^[a-zA-Z0-9-]+$`)
)

// LinkedApps are the applications of the same owner with which the description
// asks to share a network: "networkWith: [a, b]".
func (s *Spec) LinkedApps() []string {
	found := linkList.FindStringSubmatch(s.Description)
	if found == nil {
		return nil
	}
	var apps []string
	for name := range strings.SplitSeq(found[1], ",") {
		name = strings.Trim(name, " \t\"'")
		known := slices.ContainsFunc(apps, func(app string) bool { return strings.EqualFold(app, name) })
		if !known && linkName.MatchString(name) {
			apps = append(apps, name)
		}
	}
	return apps
}

// secretBlanks are taken out of secrets before they are compared: blanks, and
// line feeds that were escaped twice.
var secretBlanks = regexp.MustCompile(`\s|\\n`)

// CheckSecrets refuses secrets of a version 7 application that another active
// application has already. For an update, an application that has them itself
// may keep them. others are the active applications with chosen nodes; for an
// update, the one that is updated may be among them.
func (s *Spec) CheckSecrets(update bool, others []*Spec) error {
	if s.Version != 7 {
		return nil
	}
	owners := make(map[string][]string) // secret → applications
	for _, o := range others {
		if len(o.Nodes) == 0 {
			continue
		}
		for i := range o.Components {
			if t := secretText(&o.Components[i]); t != "" {
				owners[t] = append(owners[t], o.Name)
			}
		}
	}
	for i := range s.Components {
		c := &s.Components[i]
		var other string
		own := false
		for _, app := range owners[secretText(c)] {
			if app == s.Name {
				own = update
			} else {
				other = app
			}
		}
		if other != "" && !own {
			return invalid("Provided component '%s' secrets are not valid (duplicate in app: '%s')", c.Name, other)
		}
	}
	return nil
}

func secretText(c *Component) string { return secretBlanks.ReplaceAllString(c.Secrets.Reveal(), "") }

// CheckUpdate says whether an application may become next: its name stays, and
// what older versions pinned down stays too. A node that publishes an update
// for its caller also refuses other versions than the same and the latest; one
// that receives it doesn't.
func (s *Spec) CheckUpdate(next *Spec, publish bool) error {
	switch {
	case publish && next.Version != s.Version && next.Version != LatestVersion:
		return invalid("Flux App update can only change the version to %d", LatestVersion)
	case next.Name != s.Name:
		return invalid("Flux App update received but application name differs")
	case next.Version <= 3 && s.Version > 3:
		return invalid("Flux App update to lower version specifications is not allowed")
	case next.Version <= 3 && next.Components[0].Repotag != s.Components[0].Repotag:
		return invalid("Flux App update of repotag is not allowed")
	case next.Version <= 3 || s.Version <= 3 || s.Version == 8 && next.Version == 8:
		return nil
	case len(s.Components) != len(next.Components):
		return invalid("Flux App update can not change the number of components")
	}
	names := make(map[string]bool, len(s.Components))
	for i := range s.Components {
		names[s.Components[i].Name] = true
	}
	for i := range next.Components {
		if !names[next.Components[i].Name] {
			return invalid("Flux App update can not change the name of component %s", next.Components[i].Name)
		}
	}
	return nil
}
