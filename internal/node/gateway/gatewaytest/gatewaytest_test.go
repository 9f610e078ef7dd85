package gatewaytest_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/fluxosd/fluxosd/internal/node/gateway/gatewaytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// exchange sends a packet and returns the reply.
func exchange(t *testing.T, to netip.AddrPort, packet []byte) []byte {
	t.Helper()
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(packet); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2048)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

func TestIGDAnswersASearchAndACall(t *testing.T) {
	d, err := gatewaytest.StartIGD(gatewaytest.IGDOptions{Version: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	reply := exchange(t, d.SSDP(), []byte("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:2\r\n\r\n"))
	if !bytes.Contains(reply, []byte("\r\nLOCATION: "+d.URL()+"\r\n")) {
		t.Errorf("reply %q", reply)
	}

	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	call := func(port int, host string) string {
		t.Helper()
		body := fmt.Sprintf(`<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><u:AddPortMapping xmlns:u="%s"><NewRemoteHost></NewRemoteHost><NewExternalPort>%d</NewExternalPort><NewProtocol>TCP</NewProtocol><NewInternalPort>%d</NewInternalPort><NewInternalClient>%s</NewInternalClient><NewEnabled>1</NewEnabled><NewPortMappingDescription>x</NewPortMappingDescription><NewLeaseDuration>0</NewLeaseDuration></u:AddPortMapping></s:Body></s:Envelope>`, d.Service(), port, port, host)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, strings.Replace(d.URL(), "/rootDesc.xml", "/ctl/wan", 1), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("SOAPAction", `"`+d.Service()+`#AddPortMapping"`)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := call(80, "192.168.1.2"); !strings.Contains(got, "<u:AddPortMappingResponse") {
		t.Errorf("first: %s", got)
	}
	if got := call(80, "192.168.1.3"); !strings.Contains(got, "<errorCode>718</errorCode>") {
		t.Errorf("by another host: %s", got)
	}
	want := []gatewaytest.Entry{{Port: 80, Protocol: "TCP", Internal: 80, Client: "192.168.1.2", Description: "x"}}
	if diff := cmp.Diff(want, d.Entries()); diff != "" {
		t.Error(diff)
	}
}

func TestNATPMPFollowsTheRFC(t *testing.T) {
	s, err := gatewaytest.StartNATPMP(netip.AddrPort{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.SetExternal(netip.MustParseAddr("198.51.100.9"))
	s.Restart()
	if diff := cmp.Diff([]byte{0, 128, 0, 0, 0, 0, 0, 0, 198, 51, 100, 9}, exchange(t, s.Addr(), []byte{0, 0})); diff != "" {
		t.Error(diff)
	}
	reply := exchange(t, s.Addr(), []byte{0, 1, 0, 0, 0, 53, 0, 54, 0, 0, 0, 60})
	if diff := cmp.Diff([]byte{0, 129, 0, 0}, reply[:4]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]byte{0, 53, 0, 54, 0, 0, 0, 60}, reply[8:]); diff != "" {
		t.Error(diff)
	}
	want := []gatewaytest.Entry{{Port: 54, Protocol: "UDP", Internal: 53, Client: "127.0.0.1", Lease: 60}}
	if diff := cmp.Diff(want, s.Entries()); diff != "" {
		t.Error(diff)
	}
	exchange(t, s.Addr(), []byte{0, 1, 0, 0, 0, 53, 0, 0, 0, 0, 0, 0})
	if left := s.Entries(); len(left) != 0 || s.Requests() != 3 {
		t.Errorf("left %v after %d requests", left, s.Requests())
	}
}
