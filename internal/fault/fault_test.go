package fault

import (
	"errors"
	"fmt"
	"testing"
)

func TestKindSurvivesWrapping(t *testing.T) {
	cause := errors.New("cause")
	err := fmt.Errorf("outer: %w", Wrap(Conflict, cause, "busy"))
	if KindOf(err) != Conflict || !errors.Is(err, cause) || err.Error() != "outer: busy: cause" {
		t.Errorf("%v, kind %v", err, KindOf(err))
	}
	if KindOf(cause) != Internal || KindOf(nil) != Internal {
		t.Error("an error without a kind isn't internal")
	}
	if e := Newf(Invalid, "%d bytes", 3); e.Name != "Error" || e.Msg != "3 bytes" || e.Code != nil {
		t.Errorf("%+v", e)
	}
	if Kind(200).String() != "kind(200)" || NotBuilt.String() != "not_built" {
		t.Error("names of kinds")
	}
}
