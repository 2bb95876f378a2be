// A relying party in Go, by golang.org/x/oauth2 and coreos/go-oidc: prints where to sign in, and at its redirect URI
// redeems the code, checks the ID token, refreshes, asks UserInfo, and answers with what it has learnt.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const nonce, state = "the nonce of the request", "the state of the request"

type relyingParty struct {
	provider *oidc.Provider
	config   oauth2.Config
	verifier string
}

func (party relyingParty) learn(ctx context.Context, request *http.Request) (map[string]any, error) {
	answer := request.URL.Query()
	if answer.Get("state") != state || answer.Get("iss") == "" {
		return nil, fmt.Errorf("not the answer to this request: %v", answer)
	}
	token, err := party.config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(party.verifier))
	if err != nil {
		return nil, err
	}
	raw, _ := token.Extra("id_token").(string)
	idToken, err := party.provider.Verifier(&oidc.Config{ClientID: party.config.ClientID}).Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	if err := idToken.VerifyAccessToken(token.AccessToken); err != nil || idToken.Nonce != nonce {
		return nil, fmt.Errorf("the ID token is not for this request: %v", err)
	}
	token.Expiry = time.Now().Add(-time.Hour)
	refreshed, err := party.config.TokenSource(ctx, token).Token()
	if err != nil {
		return nil, err
	}
	info, err := party.provider.UserInfo(ctx, oauth2.StaticTokenSource(refreshed))
	if err != nil {
		return nil, err
	}
	isNew := refreshed.AccessToken != token.AccessToken
	return map[string]any{"sub": idToken.Subject, "userinfo": info.Subject, "email": info.Email, "refreshed": isNew}, nil
}

func main() {
	issuer, id, secret, listenAt := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	ctx := context.Background()
	provider, err := oidc.NewProvider(ctx, issuer)
	if err != nil {
		log.Fatal(err)
	}
	party := relyingParty{provider: provider, verifier: oauth2.GenerateVerifier()}
	party.config = oauth2.Config{
		ClientID:     id,
		ClientSecret: secret,
		Endpoint:     provider.Endpoint(),
		RedirectURL:  "http://" + listenAt + "/callback",
		Scopes:       []string{oidc.ScopeOpenID, "email"},
	}
	http.HandleFunc("/callback", func(answer http.ResponseWriter, request *http.Request) {
		learnt, err := party.learn(request.Context(), request)
		if err != nil {
			http.Error(answer, err.Error(), http.StatusInternalServerError)
			return
		}
		json.NewEncoder(answer).Encode(learnt)
	})
	listener, err := net.Listen("tcp", listenAt)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(party.config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(party.verifier)))
	log.Fatal(http.Serve(listener, nil))
}
