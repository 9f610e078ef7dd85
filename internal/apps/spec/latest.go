package spec

// Latest returns the version 8 form of a specification, for owners who move an
// application to it. It has the oddities that clients of the network know:
// the number of instances is called "istances", versions 4 to 7 give no owner,
// and version 1 gives components without domains. A specification of version 8
// stays as it is.
func Latest(s *Spec) []byte {
	if s.Version >= LatestVersion {
		return s.Canonical()
	}
	out := value{kind: object}
	out.set("version", numberValue(LatestVersion))
	out.set("name", textValue(s.Name))
	out.set("description", textValue(s.Description))
	if s.Version <= 3 {
		out.set("owner", textValue(s.Owner))
	}
	compose := value{kind: array, list: make([]value, len(s.Components))}
	for i := range s.Components {
		compose.list[i] = latestComponent(&s.Components[i], s.Version)
	}
	out.set("compose", compose)
	out.set("istances", numberValue(float64(s.Instances)))
	out.set("contacts", textList(s.Contacts))
	out.set("geolocation", textList(s.Geolocation))
	expire := s.Expire
	if s.Version < 6 {
		expire = defaultExpire
	}
	out.set("expire", numberValue(float64(expire)))
	out.set("nodes", textList(nil))
	out.set("staticip", boolValue(s.StaticIP))
	out.set("enterprise", textValue(""))
	return out.encode()
}

func latestComponent(c *Component, version int) value {
	out := value{kind: object}
	out.set("name", textValue(c.Name))
	out.set("description", textValue(c.Description))
	out.set("repotag", textValue(c.Repotag))
	out.set("ports", numberList(c.Ports))
	if version > 1 {
		out.set("domains", textList(c.Domains))
	}
	out.set("environmentParameters", textList(c.Environment))
	out.set("commands", textList(c.Commands))
	out.set("containerPorts", numberList(c.ContainerPorts))
	out.set("containerData", textValue(c.ContainerData))
	out.set("cpu", numberValue(c.CPU))
	out.set("ram", numberValue(c.RAM))
	out.set("hdd", numberValue(c.HDD))
	out.set("repoauth", textValue(c.RepoAuth.Reveal()))
	return out
}

func numberList(list []int) value {
	v := value{kind: array, list: make([]value, len(list))}
	for i, n := range list {
		v.list[i] = numberValue(float64(n))
	}
	return v
}
