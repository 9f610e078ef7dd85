package spec

import (
	"regexp"
	"slices"
	"strings"

	"github.com/fluxosd/fluxosd/internal/jsjson"
)

// Heights from which a rule of the network changed.
const (
	forkHeight             = 2020000 // blocks every 30 s instead of every 120 s
	portRangeHeight        = 1420000
	portRangeHeightDev     = 1390000
	tenComponentsHeight    = 1300000
	noMultipleHeight       = 1625000 // expire need not be a multiple of expireStep
	shorterExpireHeight    = 1630040
	oneBlockExpireHeight   = 1964447
	oneInstanceHeight      = 2176519
	maxExpire              = 264000
	maxExpireAfterFork     = 1056000
	minExpire              = 5000
	minExpireShorter       = 100
	expireStep             = 1000
	defaultExpire          = 22000
	defaultExpireAfterFork = 88000
)

// Limits of the network. Lengths are in UTF-16 units.
const (
	minInstances    = 3
	minInstancesV8  = 1
	maxInstances    = 100
	maxComponents   = 10
	maxComponentOld = 5
	maxName         = 32
	maxNameV8       = 63
	maxDescription  = 256
	maxRepotag      = 200
	maxPorts        = 5
	maxDomain       = 253
	maxParameters   = 20
	maxParameter    = 400
	minData         = 2
	maxData         = 200
	maxSecret       = 15000
	maxContacts     = 5
	maxContact      = 75
	maxLocations    = 10
	maxLocation     = 50
	maxNodes        = 120
	maxNode         = 70
)

// versionHeights says from which height a version is accepted.
var versionHeights = [LatestVersion + 1]int{3: 983000, 4: 1004000, 5: 1142000, 6: 1300000, 7: 1420000, 8: 1932380}

// developmentHeights are those that differ on development networks.
var developmentHeights = map[int]int{7: 1390000, 8: 1921500}

var (
	alphanumeric = regexp.MustCompile(`^[a-zA-Z0-9]+$`)
	hyphenated   = regexp.MustCompile(`^[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?$`)
)

// Context is what the rules depend on besides the specification.
type Context struct {
	// Height is that of the chain; for an old message, of its transaction.
	Height int
	// Development is true on development networks, where some versions came earlier.
	Development bool
	// EnterpriseOwner says who may ask for data centres; nil is nobody.
	EnterpriseOwner func(owner string) bool
}

// Verify applies the rules of a height and returns the first that is broken, as
// a *fault.Error with the text of the network. It says nothing about images,
// block lists and names that are taken. A [Spec.Sealed] specification fails.
func (s *Spec) Verify(c Context) error {
	for _, check := range []func(Context) error{s.checkLimits, s.checkVersion, s.checkMembers, s.checkUniquePorts, s.checkHardware} {
		if err := check(c); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spec) checkVersion(c Context) error {
	from := versionHeights[s.Version]
	if h, ok := developmentHeights[s.Version]; ok && c.Development {
		from = h
	}
	if c.Height < from {
		return invalid("Flux apps specifications of version %d not yet supported", s.Version)
	}
	return nil
}

func (s *Spec) checkMembers(Context) error { return s.unknown }

func (s *Spec) checkLimits(c Context) error {
	if err := s.checkName(); err != nil {
		return err
	}
	if n := jsjson.Units(s.Description); n == 0 {
		return invalid("Description is missing")
	} else if n > maxDescription {
		return invalid("Description is too long. Maximum of %d characters is allowed", maxDescription)
	}
	if s.Owner == "" {
		return missing("name and/or description and/or owner")
	}
	if s.Version <= 3 {
		if err := s.checkSingle(c); err != nil {
			return err
		}
	} else if err := s.checkCompose(c); err != nil {
		return err
	}
	least := minInstances
	if s.Version >= 8 && c.Height >= oneInstanceHeight {
		least = minInstancesV8
	}
	if s.Instances < least {
		return invalid("Minimum number of instances is %d", least)
	}
	if s.Instances > maxInstances {
		return invalid("Maximum number of instances is %d", maxInstances)
	}
	if err := s.checkLists(); err != nil {
		return err
	}
	if s.Version >= 6 {
		if err := checkExpire(s.Expire, c.Height); err != nil {
			return err
		}
	}
	if s.Version >= 8 && len(s.Nodes) > 0 && !s.IsEnterprise() {
		return invalid("Nodes can only be used in enterprise apps")
	}
	if s.Datacenter && (c.EnterpriseOwner == nil || !c.EnterpriseOwner(s.Owner)) {
		return invalid("Datacenter requirement is only available for enterprise app owners.")
	}
	return nil
}

func (s *Spec) checkName() error {
	most := s.longestName()
	switch {
	case s.Name == "":
		return invalid("Flux App name is empty")
	case jsjson.Units(s.Name) > most:
		return invalid("Flux App name is too long. Maximum %d characters allowed", most)
	case s.Version < 8 && !alphanumeric.MatchString(s.Name):
		return invalid("Flux App name contains special characters. Only a-z, A-Z and 0-9 are allowed")
	case !hyphenated.MatchString(s.Name):
		return invalid("Flux App name contains special characters. Only a-z, A-Z, 0-9 and hyphens are allowed (hyphens cannot be first or last character)")
	case strings.HasPrefix(s.Name, "zel"):
		return invalid("Flux App name can not start with zel")
	case strings.HasPrefix(s.Name, "flux"):
		return invalid("Flux App name can not start with flux")
	case strings.EqualFold(s.Name, "watchtower"):
		return invalid("Flux App name is conflicting with another application")
	}
	return nil
}

func (s *Spec) longestName() int {
	if s.Version >= 8 {
		return maxNameV8
	}
	return maxName
}

// checkSingle applies the limits of versions 1 to 3 to their only container.
func (s *Spec) checkSingle(c Context) error {
	app := &s.Components[0]
	if jsjson.Units(app.Repotag) > maxRepotag {
		return invalid("Repository is too long. Maximum of %d characters is allowed", maxRepotag)
	}
	if len(app.Ports) > maxPorts {
		return invalid("Too many ports defined. Maximum of %d allowed.", maxPorts)
	}
	if err := checkPorts(app.Ports, c); err != nil {
		return err
	}
	if len(app.ContainerPorts) != len(app.Ports) {
		return invalid("Ports specifications do not match")
	}
	if s.Version > 1 && len(app.Domains) != len(app.Ports) {
		return invalid("Domains specifications do not match available ports")
	}
	for _, port := range app.ContainerPorts {
		if port < 0 || port > maxPort {
			return invalid("Container Port %d is not within system limits 0-65535", port)
		}
	}
	if err := checkTexts(app, "App "+s.Name); err != nil {
		return err
	}
	if jsjson.Units(app.ContainerData) < minData {
		return invalid("Flux App container data folder not specified. If no data folder is whished, use /tmp")
	}
	return nil
}

// checkTexts applies the limits that one container has in every version.
func checkTexts(c *Component, who string) error {
	for _, domain := range c.Domains {
		if jsjson.Units(domain) > maxDomain {
			return invalid("Domain %s is too long. Maximum of %d characters is allowed", domain, maxDomain)
		}
	}
	if len(c.Environment) > maxParameters {
		return invalid("%s environment invalid. Maximum of %d environment variables allowed.", who, maxParameters)
	}
	for _, e := range c.Environment {
		if jsjson.Units(e) > maxParameter {
			return invalid("%s environment %s is too long. Maximum of %d characters is allowed", who, e, maxParameter)
		}
	}
	if len(c.Commands) > maxParameters {
		return invalid("%s commands invalid. Maximum of %d commands allowed.", who, maxParameters)
	}
	for _, e := range c.Commands {
		if jsjson.Units(e) > maxParameter {
			return invalid("%s command %s is too long. Maximum of %d characters is allowed", who, e, maxParameter)
		}
	}
	if jsjson.Units(c.ContainerData) > maxData {
		return invalid("Flux App Container Data is too long. Maximum of %d characters is allowed", maxData)
	}
	return nil
}

func (s *Spec) checkCompose(c Context) error {
	most := maxComponents
	if c.Height < tenComponentsHeight {
		most = maxComponentOld
	}
	switch n := len(s.Components); {
	case n == 0:
		return invalid("Flux App does not have any components")
	case n > most:
		return invalid("Flux App has too many components")
	}
	for i := range s.Components {
		if err := s.checkComponent(i, c); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spec) checkComponent(i int, c Context) error {
	app := &s.Components[i]
	most := s.longestName()
	switch {
	case app.Name == "":
		return invalid("Flux App component name is empty")
	case jsjson.Units(app.Name) > most:
		return invalid("Flux App component name is too long. Maximum %d characters allowed", most)
	case strings.HasPrefix(app.Name, "zel"):
		return invalid("Flux App Component name can not start with zel")
	case strings.HasPrefix(app.Name, "flux"):
		return invalid("Flux App Component name can not start with flux")
	case !alphanumeric.MatchString(app.Name):
		return invalid("Flux App component name contains special characters. Only a-z, A-Z and 0-9 are allowed")
	case slices.ContainsFunc(s.Components[:i], func(o Component) bool { return o.Name == app.Name }):
		return invalid("Flux App component %s already assigned. Use different name.", app.Name)
	case jsjson.Units(app.Description) > maxDescription:
		return invalid("Description is too long. Maximum of %d characters is allowed.", maxDescription)
	case jsjson.Units(app.Repotag) > maxRepotag:
		return invalid("Repository is too long. Maximum of %d characters is allowed.", maxRepotag)
	case len(app.Ports) > maxPorts:
		return invalid("Too many ports defined in %s. Maximum of %d allowed.", app.Name, maxPorts)
	}
	if err := checkPorts(app.Ports, c); err != nil {
		return err
	}
	if len(app.ContainerPorts) != len(app.Ports) {
		return invalid("Ports specifications in %s do not match", app.Name)
	}
	if len(app.Domains) != len(app.Ports) {
		return invalid("Domains specifications in %s do not match available ports", app.Name)
	}
	for _, port := range app.ContainerPorts {
		if port < 0 || port > maxPort {
			return invalid("Container Port %d in in %s is not within system limits 0-65535", port, app.Name)
		}
	}
	if err := checkTexts(app, "App component "+app.Name); err != nil {
		return err
	}
	if jsjson.Units(app.ContainerData) < minData {
		return invalid("Flux App container data folder not specified in in %s. If no data folder is whished, use /tmp", app.Name)
	}
	return s.checkPrivate(app)
}

// checkPrivate looks at what only enterprise applications may have: in version
// 7 those with chosen nodes, in version 8 those with an encrypted part.
func (s *Spec) checkPrivate(app *Component) error {
	enterprise := s.IsEnterprise()
	if s.Version == 7 {
		enterprise = len(s.Nodes) > 0
	}
	switch {
	case !app.Secrets.IsEmpty() && !enterprise:
		return invalid("Secrets can not be defined for non Enterprise Applications")
	case jsjson.Units(app.Secrets.Reveal()) > maxSecret:
		return invalid("Maximum length of secrets is %d. Consider uploading to Flux Storage for bigger payload.", maxSecret)
	case !app.RepoAuth.IsEmpty() && !enterprise:
		return invalid("Private repositories are only allowed for Enterprise Applications")
	case jsjson.Units(app.RepoAuth.Reveal()) > maxSecret:
		return invalid("Maximum length of repoauth is %d.", maxSecret)
	}
	return nil
}

func (s *Spec) checkLists() error {
	if len(s.Contacts) > maxContacts {
		return invalid("Too many contacts defined. Maximum of %d allowed.", maxContacts)
	}
	for _, contact := range s.Contacts {
		if jsjson.Units(contact) > maxContact {
			return invalid("Contact %s is too long. Maximum of %d characters is allowed.", contact, maxContact)
		}
	}
	if len(s.Geolocation) > maxLocations {
		return invalid("Invalid geolocation submited.")
	}
	for _, location := range s.Geolocation {
		if jsjson.Units(location) > maxLocation {
			return invalid("Geolocation %s is not valid.", location)
		}
	}
	if len(s.Nodes) > maxNodes {
		return invalid("Maximum number of selecteed nodes is %d", maxNodes)
	}
	for _, node := range s.Nodes {
		if jsjson.Units(node) > maxNode {
			return invalid("Node %s is too long. Maximum of %d characters is allowed.", node, maxNode)
		}
	}
	return nil
}

func checkExpire(expire, height int) error {
	least, span := minExpire, "s ~ 1 week"
	if height >= shorterExpireHeight {
		least, span = minExpireShorter, "s ~ 3 hours"
	}
	if height >= oneBlockExpireHeight {
		least, span = 1, ""
	}
	most := maxExpire
	if height >= forkHeight {
		most = maxExpireAfterFork
	}
	switch {
	case expire < least:
		return invalid("Minimum expiration of application is %d block%s", least, span)
	case expire > most:
		return invalid("Maximum expiration of application is %d blocks ~ 1 year", most)
	case height < noMultipleHeight && expire%expireStep != 0:
		return invalid("Expiration of application has to be a multiple of %d blocks ~ 1 day", expireStep)
	}
	return nil
}
