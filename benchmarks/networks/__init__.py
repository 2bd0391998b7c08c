"""Networks of leaky integrate-and-fire neurons: connections by synkin, by hand and by Brian2.

python -m benchmarks.networks --brian2 PYTHON > benchmarks/results/networks.txt
"""
