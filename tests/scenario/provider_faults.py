"""Every way a model can fail, in the wires of Gemini and Anthropic; see upstream_faults.py."""
import upstream_faults
from harness import main
from upstream_faults import ALONE

KEY = "key-0123456789abcdef"


class GeminiFaults(upstream_faults.Faults):
    settings = {**ALONE, "LLM_PROVIDER": "gemini", "GEMINI_API_KEY": KEY}


class AnthropicFaults(upstream_faults.Faults):
    settings = {**ALONE, "LLM_PROVIDER": "anthropic", "ANTHROPIC_API_KEY": KEY}


if __name__ == "__main__":
    main()
