// Package gatewaytest simulates routers for tests: a UPnP Internet Gateway
// Device that answers searches and maps ports, and a NAT-PMP server.
//
// They promise to behave as the specifications say until a test sets one of the
// knobs, which make them as odd, slow or hostile as real routers are. They move
// no traffic, and listen only where the test says, on loopback by default.
package gatewaytest
