package api

import "github.com/fluxosd/fluxosd/internal/permissions"

// paymentRoutes are the rows of /payment: requests that wait for a payment.
func (s *Server) paymentRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/payment/paymentrequest", Level: permissions.Public,
			Summary: "Open a payment request", Result: "object {paymentId}"},
		{Method: "POST", Path: "/payment/verifypayment", Level: permissions.Public,
			Summary: "Report a payment for a payment request",
			Params: []Param{
				Query("paymentid", "string").Says("10 to 100 characters; the query wins over the body"),
				Body("paymentid", "string"),
				Body("txid", "string").Need().Says("1 to 500 characters; transaction_id is accepted as well"),
				Body("coin", "string").Need().Says("1 to 50 characters"),
				Body("chain", "string"), Body("explorer", "string"), Body("amount", "number"),
				Body("from_address", "string").Says("10 to 500 characters"),
				Body("to_address", "string").Says("10 to 500 characters"),
			},
			Result: "object {message, paymentId, txid, success_url}"},
	}
}
