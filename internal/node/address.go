package node

import (
	"net"
	"strconv"
)

// defaultAPIPort is the API port of a node that names none.
const defaultAPIPort = 16127

func joinPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
