# shellcheck shell=bash disable=SC2034
# What the tests and benchmarks of networks run: a web server and its load, throughput, names, routes, a witness of packets.
base=debian

make_layer() { install_packages nginx-light,wrk,iperf3,curl,bind9-dnsutils,iproute2,iputils-ping,tcpdump "$@"; }
