"""How clients reach servers that are secured, and what is said when they are not let in."""
